//! Logins without TLS: credentials, database, what the client tells, routing, the browser.

use tiberius::{AuthMethod, Config, SqlBrowser as _};
use tokio::net::TcpStream;

use super::client::{config, connect, connect_with, number, server};
use crate::tds::{Answers, Options, Reply, TdsServer};

#[tokio::test]
async fn a_login_tells_who_comes() {
    let server = server(|_| Ok(Reply::none())).await;
    let mut config = config(&server);
    config.application_name("speedfit/1");
    config.readonly(true);
    config.packet_size(512);
    connect_with(&server, config).await.unwrap();
    let [login] = &server.logins()[..] else { panic!("one login") };
    assert_eq!((login.user.as_str(), login.database.as_str()), ("speedfit", "speedfit"));
    assert_eq!((login.application.as_str(), login.packet_size), ("speedfit/1", 512));
    assert!(login.read_only);
    assert_eq!(server.journal().names(), ["prelogin", "login"]);
}

#[tokio::test]
async fn wrong_credentials_are_refused() {
    let server = server(|_| Ok(Reply::none())).await;
    let mut wrong = config(&server);
    wrong.authentication(AuthMethod::sql_server("speedfit", "guess"));
    assert_eq!(number(connect_with(&server, wrong).await), Some(18_456));
    let mut nowhere = config(&server);
    nowhere.database("nowhere");
    assert_eq!(number(connect_with(&server, nowhere).await), Some(4060));
}

#[tokio::test]
async fn a_token_is_a_login() {
    let options = Options { token: Some("ey.J.w".to_owned()), ..Options::default() };
    let server = TdsServer::start(options, Answers::new(|_| Ok(Reply::none()))).await.unwrap();
    let token = |token: &str| {
        let mut config = config(&server);
        config.authentication(AuthMethod::aad_token(token));
        connect_with(&server, config)
    };
    token("ey.J.w").await.unwrap();
    assert_eq!(number(token("expired").await), Some(18_456));
}

#[tokio::test]
async fn a_client_is_sent_elsewhere() {
    let server = server(|_| Ok(Reply::none())).await;
    server.route(Some(("elsewhere.example".to_owned(), 11_000)));
    let error = connect_with(&server, config(&server)).await.unwrap_err();
    let tiberius::error::Error::Routing { host, port } = error else { panic!("{error}") };
    assert_eq!((host.as_str(), port), ("elsewhere.example", 11_000));
    server.route(None);
    connect(&server).await;
}

#[tokio::test]
async fn the_browser_knows_the_port_of_an_instance() {
    let options = Options { instance: Some("night".to_owned()), ..Options::default() };
    let server = TdsServer::start(options, Answers::new(|_| Ok(Reply::none()))).await.unwrap();
    let mut asking = Config::new();
    asking.host("127.0.0.1");
    asking.port(server.browser_address().unwrap().port());
    asking.instance_name("night");
    let stream = TcpStream::connect_named(&asking).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address());
    let mut other = config(&server);
    other.instance_name("day");
    let error = connect_with(&server, other).await.unwrap_err();
    assert!(error.to_string().contains("instance"), "{error}");
}

#[tokio::test]
async fn all_ends_with_the_servers_handle() {
    let server = server(|_| Ok(Reply::none())).await;
    let mut client = connect(&server).await;
    let address = server.address();
    drop(server);
    client.simple_query("SELECT 1").await.unwrap_err();
    TcpStream::connect(address).await.unwrap_err();
}
