//! The script of faults: what goes wrong, at which occurrence of which request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What goes wrong with one request.
///
/// When a connection is dropped, its session is too: the transaction is rolled back and locks of
/// the session are freed, as a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Not executed; a server error instead of the reply. Numbers 1205 and 3960 roll the
    /// transaction back, class 20 and above closes the connection.
    Error {
        /// Number of the error.
        number: u32,
        /// Class (severity) of the error.
        class: u8,
        /// Its message.
        message: String,
    },
    /// The connection is closed before the request is executed.
    DropBefore,
    /// Executed; the connection is closed after so many rows, or after half of the reply's bytes
    /// where `None` (at most so much as the server holds of a long reply: one packet).
    DropInside(Option<u64>),
    /// Executed (what the request commits stays committed); closed without a byte of the reply.
    DropAfterExecuting,
    /// Executed and answered; then closed.
    DropAfter,
    /// Executed; then bytes that are no tokens.
    Garbage,
    /// Executed; then a reply of well-formed packets that makes tiberius 0.13 panic.
    Malformed,
    /// Executed; then the TLS session ends, with or without TLS' own goodbye (`close_notify`).
    /// Without TLS this is [`Fault::DropAfterExecuting`].
    CloseTls {
        /// Whether the end is announced.
        notify: bool,
    },
    /// Executed; so many rows, then a server error instead of the rest.
    ErrorInside {
        /// Rows before the error.
        after_rows: u64,
        /// Number of the error.
        number: u32,
    },
}

impl Fault {
    /// An error of class 16 with a message of its own.
    #[must_use]
    pub fn error(number: u32) -> Self {
        Self::Error { number, class: 16, message: format!("scripted error {number}") }
    }
}

/// A request that waits, before it is executed, until the test lets it go on. Clones are the same.
///
/// A connection that waits notices when its client stops it (attention) or goes away.
#[derive(Debug, Clone)]
pub struct Hold {
    reached: watch::Sender<bool>,
    released: watch::Sender<bool>,
}

impl Hold {
    fn new() -> Self {
        Self { reached: watch::Sender::new(false), released: watch::Sender::new(false) }
    }

    /// Waits until a client's request has come.
    pub async fn reached(&self) {
        // The sender lives in `self`, so the wait ends by the value alone.
        let _ = self.reached.subscribe().wait_for(|reached| *reached).await;
    }

    /// Lets the request go on, also before it has come.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// The server's side: says that the request has come, and waits for its release.
    pub async fn pass(&self) {
        self.reached.send_replace(true);
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }
}

/// What the script says of one request.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// To wait for before anything else.
    pub hold: Option<Hold>,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// The script of faults. Clones are the same script.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    scripts: Arc<Mutex<HashMap<(String, usize), Script>>>,
    always: Arc<Mutex<HashMap<String, Fault>>>,
}

impl Faults {
    /// Sets what goes wrong at an occurrence (from 1, over the server's life) of a name.
    pub fn on(&self, name: &str, occurrence: usize, fault: Fault) {
        self.edit(name, occurrence, |script| script.fault = Some(fault));
    }

    /// Sets what goes wrong at every occurrence that has no fault of its own.
    pub fn always(&self, name: &str, fault: Fault) {
        let mut always = self.always.lock().unwrap_or_else(PoisonError::into_inner);
        always.insert(name.to_owned(), fault);
    }

    /// Lets an occurrence of a name wait; a fault set for the same occurrence comes afterwards.
    #[must_use]
    pub fn hold(&self, name: &str, occurrence: usize) -> Hold {
        let hold = Hold::new();
        self.edit(name, occurrence, |script| script.hold = Some(hold.clone()));
        hold
    }

    /// Forgets the whole script.
    pub fn clear(&self) {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.always.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the script says of an occurrence.
    #[must_use]
    pub fn script(&self, name: &str, occurrence: usize) -> Script {
        let scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut script = scripts.get(&(name.to_owned(), occurrence)).cloned().unwrap_or_default();
        if script.fault.is_none() {
            let always = self.always.lock().unwrap_or_else(PoisonError::into_inner);
            script.fault = always.get(name).cloned();
        }
        script
    }

    fn edit(&self, name: &str, occurrence: usize, edit: impl FnOnce(&mut Script)) {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        edit(scripts.entry((name.to_owned(), occurrence)).or_default());
    }
}
