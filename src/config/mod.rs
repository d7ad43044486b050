//! Settings: layers, typed values, secrets. The only reader of the process environment.
//!
//! Later wins: the built-in `config/default.toml`, the file that `SPEEDFIT_ENV` names, the file of the
//! scope, the file of `--config`, variables `SPEEDFIT__SECTION__KEY`, flags. Every layer is first read alone on the
//! defaults, so that a mistake is blamed on its file and line, its variable or its flag. Knows
//! nothing of sources, stores or fitting: it hands typed values to `bootstrap`.

mod choices;
mod environment;
mod error;
mod kept;
mod layer;
mod load;
mod nearest;
mod operations;
mod origin;
mod schema;
mod scopes;
mod secrets;
mod server;
mod settings;
mod validate;
mod values;
mod whole;

pub use choices::{
    ChoicePer, Covariance, Criterion, DistanceUnit, Encryption, Errors, Factor, FileFormat,
    Intervals, Isolation, LogFormat, Login, Loss, MissedSlots, NotIdentified, NotifyOn, Partition,
    PoolingMode, RepeatedIds, SourceKind, Spread, StoreKind, TimeUnit,
};
pub use environment::Environment;
pub use error::ConfigError;
pub use kept::Kept;
pub use layer::Override;
pub use load::{Loaded, Sources};
pub use nearest::nearest;
pub use operations::{Http, Metrics, Notify, Retention, Schedule};
pub use origin::Origin;
pub use schema::Schema;
pub use secrets::{Secret, SecretOrigin, Secrets};
pub use server::{Server, SqlServer};
pub use settings::{
    AUTO, Accept, Auto, Columns, Embedded, File, Fit, Groups, Holdout, Judge, Log, MODELS, Output,
    Pooling, Settings, Source, Store, WindowSettings,
};
pub use values::{
    BandSetting, BoundSetting, Delimiter, LengthSetting, LogLevel, ModelName, Moment, RuleName,
    SchemaName,
};
pub use whole::Whole;
