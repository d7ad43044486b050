//! Object storage: copies of what a run wrote, at S3, Google Cloud Storage, Azure or in a folder. The
//! only place that names the library.

mod error;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, parse_url_opts};
use secrecy::{ExposeSecret as _, SecretString};

pub use error::ObjectsError;

use crate::domain::RunId;
use crate::ports::PortResult;

/// What an address may start with.
pub const SCHEMES: [&str; 4] = ["s3://", "gs://", "az://", "file:///"];

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name, without folder.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A folder of a bucket.
pub struct Objects {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    shown: String,
}

impl Objects {
    /// The folder of that address, with the variables of its vendor for credentials. Reaches for
    /// nothing yet.
    ///
    /// # Errors
    /// [`ObjectsError::Address`], [`ObjectsError::Open`].
    pub fn open<'a>(
        address: &str,
        variables: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
    ) -> Result<Self, ObjectsError> {
        let is_known = SCHEMES.iter().any(|scheme| address.starts_with(scheme));
        // Keys and signatures in an address would be shown wherever it is.
        if !is_known || address.contains(['?', '#']) {
            return Err(ObjectsError::Address);
        }
        let Ok(url) = address.parse() else { return Err(ObjectsError::Address) };
        let options = variables.into_iter().map(|(name, value)| (name, value.expose_secret()));
        let (store, prefix) = parse_url_opts(&url, options).map_err(|e| ObjectsError::open(&e))?;
        let shown = address.trim_end_matches('/').to_owned();
        Ok(Self { store, prefix, shown })
    }

    /// Puts the files of a run under its number, and then under `latest`, which then holds one run's
    /// files or, for a moment, those of two. Returns the folder of the run.
    ///
    /// # Errors
    /// [`ObjectsError::Put`] names the object; those before it are there.
    pub async fn put_run(
        &self,
        scope: &str,
        run_id: RunId,
        files: &[Object],
    ) -> PortResult<String> {
        let of_scope = self.prefix.clone().join(scope);
        let of_run = of_scope.clone().join(format!("run-{run_id}"));
        for folder in [of_run.clone(), of_scope.join("latest")] {
            for file in files {
                let path = folder.clone().join(file.name.as_str());
                let put = self.store.put(&path, file.bytes.clone().into()).await;
                put.map_err(|error| ObjectsError::put(self.address(&path), &error))?;
            }
        }
        Ok(self.address(&of_run))
    }

    /// The address of something inside.
    fn address(&self, path: &Path) -> String {
        let inner = path.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(path.as_ref());
        format!("{}/{}", self.shown, inner.trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn open(address: &str) -> Result<Objects, ObjectsError> {
        Objects::open(address, [])
    }

    fn files() -> [Object; 2] {
        ["run_results.json", "report.html"]
            .map(|name| Object { name: name.to_owned(), bytes: name.as_bytes().to_vec() })
    }

    #[tokio::test]
    async fn a_run_is_found_under_its_number_and_as_the_latest() {
        let objects = Objects {
            store: Box::new(InMemory::new()),
            prefix: Path::from("night"),
            shown: "s3://bucket/night".to_owned(),
        };
        for run in [7, 8] {
            let folder = objects.put_run("a/b c", RunId(run), &files()).await.unwrap();
            assert_eq!(folder, format!("s3://bucket/night/a%2Fb c/run-{run}"));
        }
        let scope = Path::from("night").join("a/b c");
        let listed = objects.store.list_with_delimiter(Some(&scope)).await.unwrap();
        let folders: Vec<_> = listed.common_prefixes.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            folders,
            ["night/a%2Fb c/latest", "night/a%2Fb c/run-7", "night/a%2Fb c/run-8"],
            "{folders:?}"
        );
        let latest = scope.join("latest").join("report.html");
        let read = objects.store.get(&latest).await.unwrap().bytes().await.unwrap();
        assert_eq!(read.as_ref(), b"report.html");
    }

    #[tokio::test]
    async fn a_folder_of_this_machine_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let objects = open(&format!("file://{}/deep/er/", dir.path().display())).unwrap();
        let folder = objects.put_run("city", RunId(3), &files()).await.unwrap();
        assert!(folder.ends_with("/deep/er/city/run-3"), "{folder}");
        let read =
            |name| std::fs::read_to_string(dir.path().join("deep/er/city").join(name)).unwrap();
        assert_eq!(read("run-3/run_results.json"), "run_results.json");
        assert_eq!(read("latest/report.html"), "report.html");
    }

    #[test]
    fn an_address_is_told_from_what_is_none() {
        let check = |address: &str, expected: bool| {
            assert_eq!(open(address).is_ok(), expected, "{address}");
        };
        check("s3://bucket/folder", true);
        check("file:///tmp/x", true);
        check("s3://", false);
        check("bucket/folder", false);
        check("https://example.org/x", false);
        check("memory:///x", false);
        check("file://host/x", false);
        check("az://container/x?sig=secret", false);
    }

    #[test]
    fn vendors_need_their_variables() {
        let value = SecretString::from("eW91IGZvdW5kIGl0");
        let error = open("az://container/x").err().unwrap().to_string();
        assert!(error.ends_with("Account must be specified"), "{error}");
        let variables =
            [("AZURE_STORAGE_ACCOUNT_NAME", &value), ("AZURE_STORAGE_ACCOUNT_KEY", &value)];
        assert!(Objects::open("az://container/x", variables).is_ok());
    }
}
