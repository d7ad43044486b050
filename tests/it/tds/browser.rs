//! The browser service: tells clients the port of a named instance, over UDP.

use tokio::net::UdpSocket;

/// Requests: all instances (two forms), one instance by name.
const ALL: [u8; 2] = [0x02, 0x03];
const BY_NAME: u8 = 0x04;

const REPLY: u8 = 0x05;

/// Answers for one instance until aborted; questions for others stay without an answer.
pub(super) async fn answer(socket: UdpSocket, instance: String, port: u16) {
    let mut request = [0; 512];
    while let Ok((n_bytes, client)) = socket.recv_from(&mut request).await {
        let name = request[..n_bytes].split(|&byte| byte == 0).next().unwrap_or_default();
        let known = match name.split_first() {
            Some((kind, [])) => ALL.contains(kind),
            Some((&BY_NAME, name)) => name.eq_ignore_ascii_case(instance.as_bytes()),
            _ => false,
        };
        if known {
            // A client that has gone meanwhile is no reason to stop.
            let _ = socket.send_to(&reply(&instance, port), client).await;
        }
    }
}

fn reply(instance: &str, port: u16) -> Vec<u8> {
    let text = format!(
        "ServerName;LOCALHOST;InstanceName;{instance};IsClustered;No;Version;16.0.1000.6;tcp;{port};;"
    );
    let mut reply = vec![REPLY];
    reply.extend((text.len() as u16).to_le_bytes());
    reply.extend(text.into_bytes());
    reply
}
