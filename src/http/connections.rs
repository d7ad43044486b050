//! Connections: how many, how long, and how they end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::patience::Patient;
use super::places::{Place, Places};
use super::router::router;
use super::state::Api;
use super::timer::ClockTimer;

/// Connections at once; one more takes the place of whichever has waited longest without a request. An
/// application keeps a few open.
const MAX_CONNECTIONS: usize = 256;
/// Longest time from the begin of a request's headers to their end, and of a connection without a
/// request.
const HEADER_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of a request's headers at the most.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// After so long a connection ends with the request that it is at, so that none is kept for ever by a
/// client that does not read.
const CONNECTION_LIFE: Duration = Duration::from_secs(900);
/// Longest time that connections have to end when the server stops; whoever stops it waits.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(1000);
/// Wait after a connection that could not be accepted, for example since too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves the API until its stop signal fires; then ends connections and waits for its runs, which
/// are stopped by the same signal, to tell the ledger. Returns whether there was one.
pub async fn serve(listener: TcpListener, api: Api) -> bool {
    let app = router(api.clone());
    let places = Places::new(MAX_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = api.stop().cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, address, place)) => {
                let (app, api) = (app.clone(), api.clone());
                connections.spawn(connection(stream, address, place, app, api));
            }
            Err(error) => {
                warn!("a connection could not be accepted: {error}");
                let pause = api.services().clock().sleep(ACCEPT_PAUSE);
                _ = api.stop().run_until_cancelled(pause).await;
            }
        }
    }
    let has_run = api.run_slot().has_met_stop();
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => {}
        () = api.services().clock().sleep(SHUTDOWN_LIMIT) => {}
    }
    // What is left of the connections ends here; runs may still tell the ledger, within their grace.
    connections.shutdown().await;
    api.tasks().join().await;
    has_run
}

async fn accept(
    listener: &TcpListener,
    places: &Places,
) -> std::io::Result<(TcpStream, SocketAddr, Place)> {
    let (stream, address) = listener.accept().await?;
    // Answers are small and written at once.
    stream.set_nodelay(true)?;
    Ok((stream, address, places.take().await))
}

/// One connection, to its end, or until another takes its place.
async fn connection(stream: TcpStream, address: SocketAddr, place: Place, app: Router, api: Api) {
    let given_away = place.given_away().clone();
    let all = serve_connection(stream, address, &place, app, &api);
    if given_away.run_until_cancelled(all).await.is_none() {
        debug!("a connection that waited for its client made room for another");
    }
}

async fn serve_connection(
    stream: TcpStream,
    address: SocketAddr,
    place: &Place,
    app: Router,
    api: &Api,
) {
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        let busy = place.busy();
        let answer = app.call(request);
        async move {
            let answer = answer.await;
            drop(busy);
            answer
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(ClockTimer::new(Arc::clone(api.services())))
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES);
    let stream = TokioIo::new(Patient::new(stream, Arc::clone(api.services())));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let clock = api.services().clock();
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = api.stop().cancelled() => None,
        () = clock.sleep(CONNECTION_LIFE) => None,
    };
    let ended = match ended {
        Some(ended) => Some(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => Some(ended),
                () = clock.sleep(api.options().timeout) => None,
            }
        }
    };
    if let Some(Err(error)) = ended {
        debug!("a connection broke off: {error}");
    }
}
