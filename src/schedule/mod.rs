//! When runs happen: the calendar, and the driver that stays up and follows it.
//!
//! Knows runs through `job` and `ports`, and what starts one through [`Night`] only.

pub mod calendar;
mod driver;
mod left_behind;
pub mod night;
mod play;
pub mod slot;
pub mod status;
mod wait;

pub use calendar::Calendar;
pub use driver::{Schedule, Stopped};
pub use night::{Ended, Missed, Night, NightError, Outcome, Rules};
pub use slot::{SlotState, slot_moment, slot_name};
pub use status::{LastError, LastRun, ScheduleStatus, ScopeState, ScopeStatus};
