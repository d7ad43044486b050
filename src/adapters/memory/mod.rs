//! A store, a record source and a clock in memory, for tests of everything above the ports.
//!
//! They keep the same contracts as the databases do, and fail on order: see [`FaultScript`].
//! Nothing outlives the process.

mod clock;
mod fault;
mod lock;
mod source;
mod state;
mod store;

pub use clock::ManualClock;
pub use fault::{Fault, FaultScript, Hold, Operation};
pub use source::MemorySource;
pub use store::MemoryStore;
