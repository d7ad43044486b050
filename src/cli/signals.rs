//! The stop signals: the first asks the work to end, the second ends the process.

use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// A token that fires at the first SIGINT or SIGTERM (Ctrl-C where there are no signals).
pub(super) fn stop_token() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut stops = Stops::listen()?;
    let stop = token.clone();
    tokio::spawn(async move {
        stops.next().await;
        tracing::warn!("stopping; a second signal ends at once");
        stop.cancel();
        stops.next().await;
        std::process::exit(i32::from(Exit::Stopped.code()));
    });
    Ok(token)
}

#[cfg(unix)]
struct Stops {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stops {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Stops {
    ctrl_c: tokio::signal::windows::CtrlC,
    ctrl_break: tokio::signal::windows::CtrlBreak,
}

#[cfg(windows)]
impl Stops {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self { ctrl_c: ctrl_c()?, ctrl_break: ctrl_break()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.ctrl_break.recv() => {}
        }
    }
}
