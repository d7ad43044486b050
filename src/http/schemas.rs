//! The names that tables use, as schemas: every value that there is, so that a client knows them all.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{
    GroupOutcome, ParameterStatus, RefusalReason, RunStatus, SourceLevel, Trigger, Verdict,
};

/// Makes each enumeration a schema of its names.
macro_rules! named {
    ($($name:ident),+) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let names = $name::ALL.iter().map(|value| value.as_str());
                    let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
                    names.build().into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )+
    };
}

named!(GroupOutcome, ParameterStatus, RefusalReason, RunStatus, SourceLevel, Trigger, Verdict);

/// A moment, RFC 3339 in UTC.
pub(super) fn moment() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format))
}

/// A moment that may be missing.
pub(super) fn optional_moment() -> ObjectBuilder {
    use utoipa::openapi::schema::SchemaType;
    moment().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}
