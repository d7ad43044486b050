//! Whether a container is well: what its first process is for, and whether our own API answers.
//!
//! Images have no shell and no client; the program asks itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the first process of a container stays up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerPurpose {
    /// `speedfit schedule`.
    Schedule,
    /// `speedfit serve`.
    Serve,
    /// Anything that runs once.
    Once,
}

/// Where Linux tells the command line of a container's first process.
const FIRST_PROCESS: &str = "/proc/1/cmdline";

/// Longest time that our own API may take to say that it lives.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// Longest first line of an answer that is looked at, bytes: `HTTP/1.1 200 OK` and what may follow.
const MAX_STATUS_LINE: u64 = 256;

/// What this container is for; `Once` where the system does not tell.
#[must_use]
pub fn container_purpose() -> ContainerPurpose {
    std::fs::read(Path::new(FIRST_PROCESS))
        .map_or(ContainerPurpose::Once, |command| purpose_of(&command))
}

/// The purpose that a command line tells, its arguments separated by NUL. An init process may stand
/// before ours, so every argument is looked at.
fn purpose_of(command: &[u8]) -> ContainerPurpose {
    let mut arguments = command.split(|&byte| byte == 0);
    let found = arguments.find_map(|argument| match argument {
        b"schedule" => Some(ContainerPurpose::Schedule),
        b"serve" => Some(ContainerPurpose::Serve),
        _ => None,
    });
    found.unwrap_or(ContainerPurpose::Once)
}

/// Asks the API that listens at an address of this machine whether it lives.
///
/// # Errors
/// Nobody listens, the answer does not come in time, or it is another one than 200.
pub async fn probe_api(bound: SocketAddr) -> io::Result<()> {
    match tokio::time::timeout(PROBE_LIMIT, ask(reachable(bound))).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the API does not answer in time")),
    }
}

async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    stream.take(MAX_STATUS_LINE).read_to_end(&mut head).await?;
    let head = String::from_utf8_lossy(&head);
    let status_line = head.lines().next().unwrap_or_default();
    match status_line.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(io::Error::other(format!("the API answers `{status_line}`"))),
    }
}

/// An address that listens on all interfaces is asked on the loopback.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_first_process_tells_what_a_container_is_for() {
        let check = |command: &[u8], expected: ContainerPurpose| {
            assert_eq!(purpose_of(command), expected, "{}", String::from_utf8_lossy(command));
        };
        check(b"/usr/bin/speedfit\0schedule\0", ContainerPurpose::Schedule);
        check(b"/usr/bin/speedfit\0--config\0city.toml\0serve\0", ContainerPurpose::Serve);
        check(b"/sbin/docker-init\0--\0/usr/bin/speedfit\0serve\0", ContainerPurpose::Serve);
        check(b"/usr/bin/speedfit\0run\0--reason\0the schedule\0", ContainerPurpose::Once);
        check(b"", ContainerPurpose::Once);
    }

    #[test]
    fn all_interfaces_are_asked_on_the_loopback() {
        let check = |bound: &str, expected: &str| {
            assert_eq!(reachable(bound.parse().unwrap()), expected.parse().unwrap(), "{bound}");
        };
        check("0.0.0.0:8765", "127.0.0.1:8765");
        check("[::]:8765", "[::1]:8765");
        check("10.1.2.3:80", "10.1.2.3:80");
    }

    /// What the probe says of a listener that answers like this.
    async fn probed(answer: &'static str) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let bound = listener.local_addr()?;
        let served = async {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 1024];
            let n_read = stream.read(&mut request).await?;
            assert!(request[..n_read].starts_with(b"GET /livez HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await
        };
        let (served, probed) = tokio::join!(served, probe_api(bound));
        served.and(probed)
    }

    #[tokio::test]
    async fn only_an_answer_of_200_is_well() {
        assert!(probed("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_ok());
        let error = probed("HTTP/1.1 503 Service Unavailable\r\n\r\n").await.unwrap_err();
        assert_eq!(error.to_string(), "the API answers `HTTP/1.1 503 Service Unavailable`");
        let error = probed("").await.unwrap_err();
        assert_eq!(error.to_string(), "the API answers ``");
    }

    #[tokio::test]
    async fn nobody_who_listens_is_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        drop(listener);
        assert!(probe_api(bound).await.is_err());
    }
}
