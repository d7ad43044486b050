//! TLS in all its forms, and the certificates that a client must refuse.

use tiberius::{Config, EncryptionLevel};

use super::client::{config, connect_with};
use crate::tds::{
    Answers, Authority, CertificateKind, Column, ColumnType, Encrypted, Encryption, Fault, Options,
    Reply, TdsServer,
};

async fn server(authority: &Authority, encryption: Encryption, kind: CertificateKind) -> TdsServer {
    let certificate = authority.certificate(kind).unwrap();
    let options = Options { encryption, certificate: Some(certificate), ..Options::default() };
    let answers = Answers::new(|_| {
        let text = "x".repeat(100_000);
        let column = Column::new("text", ColumnType::NVarCharMax);
        Ok(Reply::rows(vec![column], vec![vec![text.into()]]))
    });
    TdsServer::start(options, answers).await.unwrap()
}

fn trusting(server: &TdsServer, authority: &Authority, level: EncryptionLevel) -> Config {
    let mut config = config(server);
    config.encryption(level);
    config.trust_cert_ca_bundle(authority.pem().into_bytes());
    config
}

#[tokio::test]
async fn every_form_of_encryption_works() {
    use EncryptionLevel::{NotSupported, Off, On, Required, Strict};
    let authority = Authority::new().unwrap();
    for (ours, theirs, expected) in [
        (Encryption::NotSupported, NotSupported, Encrypted::Nothing),
        (Encryption::AsAsked, NotSupported, Encrypted::Nothing),
        (Encryption::AsAsked, Off, Encrypted::Login),
        (Encryption::AsAsked, On, Encrypted::Session),
        (Encryption::AsAsked, Required, Encrypted::Session),
        (Encryption::Required, Off, Encrypted::Session),
        (Encryption::Required, Required, Encrypted::Session),
        (Encryption::Strict, Strict, Encrypted::Strict),
    ] {
        let server = server(&authority, ours, CertificateKind::Good).await;
        let config = trusting(&server, &authority, theirs);
        let mut client = connect_with(&server, config).await.unwrap();
        for _ in 0..2 {
            let query = client.query("SELECT", &[&"a".repeat(50_000).as_str()]).await.unwrap();
            let row = query.into_row().await.unwrap().unwrap();
            assert_eq!(row.get::<&str, _>(0).map(str::len), Some(100_000));
        }
        assert_eq!(server.logins()[0].encrypted, expected);
    }
}

#[tokio::test]
async fn a_client_refuses_too_little_encryption_and_a_server_too() {
    use EncryptionLevel::{NotSupported, Off, Required, Strict};
    let authority = Authority::new().unwrap();
    for (ours, theirs) in [
        (Encryption::NotSupported, Required),
        (Encryption::NotSupported, Off),
        (Encryption::Required, NotSupported),
        (Encryption::Strict, Required),
        (Encryption::AsAsked, Strict),
    ] {
        let server = server(&authority, ours, CertificateKind::Good).await;
        let config = trusting(&server, &authority, theirs);
        let error = connect_with(&server, config).await.unwrap_err();
        assert!(server.logins().is_empty(), "{error}");
    }
}

#[tokio::test]
async fn bad_certificates_are_refused() {
    use CertificateKind::{Expired, Good, OtherHost, SelfSigned};
    let authority = Authority::new().unwrap();
    let stranger = Authority::new().unwrap();
    for (ours, theirs) in [
        (Encryption::AsAsked, EncryptionLevel::Required),
        (Encryption::Strict, EncryptionLevel::Strict),
    ] {
        for (kind, trusted, expected) in [
            (Expired, &authority, "expired"),
            (OtherHost, &authority, "not valid for name"),
            (SelfSigned, &authority, "UnknownIssuer"),
            (Good, &stranger, "UnknownIssuer"),
        ] {
            let server = server(&authority, ours, kind).await;
            let config = trusting(&server, trusted, theirs);
            let error = connect_with(&server, config).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{kind:?}: {error}");
            let mut blind = config_without_trust(&server, theirs);
            blind.trust_cert();
            connect_with(&server, blind).await.unwrap();
        }
    }
}

fn config_without_trust(server: &TdsServer, level: EncryptionLevel) -> Config {
    let mut config = config(server);
    config.encryption(level);
    config
}

#[tokio::test]
async fn a_tls_session_ends_with_and_without_goodbye() {
    let authority = Authority::new().unwrap();
    let levels = [
        (Encryption::AsAsked, EncryptionLevel::Required),
        (Encryption::Strict, EncryptionLevel::Strict),
    ];
    for (ours, theirs) in levels {
        for notify in [true, false] {
            let server = server(&authority, ours, CertificateKind::Good).await;
            server.faults().on("read", 1, Fault::CloseTls { notify });
            let config = trusting(&server, &authority, theirs);
            let mut client = connect_with(&server, config).await.unwrap();
            let error = client.simple_query("-- read\nSELECT").await.unwrap_err();
            assert!(matches!(error, tiberius::error::Error::Io { .. }), "{error}");
            server.opened(0).await;
        }
    }
}
