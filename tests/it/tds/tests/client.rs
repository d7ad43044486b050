//! What the tests share: a client, and a server to meet it.

use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use crate::tds::{Answers, Options, Reply, SqlError, Statement, TdsServer};

pub(super) type Tiberius = Client<Compat<TcpStream>>;

/// A server without encryption that answers by a function.
pub(super) async fn server(
    answer: impl Fn(&Statement) -> Result<Reply, SqlError> + Send + Sync + 'static,
) -> TdsServer {
    TdsServer::start(Options::default(), Answers::new(answer)).await.unwrap()
}

/// What a client of the server needs; without encryption.
pub(super) fn config(server: &TdsServer) -> Config {
    let options = Options::default();
    let mut config = Config::new();
    config.host("localhost");
    config.port(server.address().port());
    config.database(&options.databases[0]);
    config.authentication(AuthMethod::sql_server(&options.user, &options.password));
    config.encryption(EncryptionLevel::NotSupported);
    config.packet_size(32_767);
    config
}

pub(super) async fn connect_with(server: &TdsServer, config: Config) -> tiberius::Result<Tiberius> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Client::connect(config, stream.compat_write()).await
}

pub(super) async fn connect(server: &TdsServer) -> Tiberius {
    connect_with(server, config(server)).await.unwrap()
}

/// The number of the server error in a result.
pub(super) fn number<T>(result: tiberius::Result<T>) -> Option<u32> {
    result.err().and_then(|error| error.code())
}
