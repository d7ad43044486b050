//! What a fit is asked to do: the loss, the law of the errors, bounds, and how uncertainty is told.
//!
//! Plain data; what each choice means in numbers stands in `loss`, `errors` and `spread`.

/// How hard to try, what to minimise, and how to tell the uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Iterations of the solver per start.
    pub max_iterations: u64,
    /// Relative step, and share of the residuals that a further step could still remove (Bates and
    /// Watts' offset, a root of sums of squares), at which the solver stops.
    pub tolerance: f64,
    /// Probability that an interval is to cover.
    pub confidence: f64,
    /// What is minimised where the errors are normal with a constant spread.
    pub loss: Loss,
    /// Scale of ln T for a robust loss, in place of the one estimated from the residuals; other
    /// losses have none to fix.
    pub scale: Option<f64>,
    /// Law of the errors on ln T.
    pub errors: Errors,
    /// How wide ln T scatters about the median.
    pub spread: SpreadModel,
    /// What standard errors come from.
    pub covariance: Covariance,
    /// How intervals are made.
    pub intervals: Intervals,
    /// Ranges of published parameters, narrower than the model's own.
    pub bounds: Vec<Bound>,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            max_iterations: 200,
            tolerance: 1e-12,
            confidence: 0.95,
            loss: Loss::LeastSquares,
            scale: None,
            errors: Errors::Normal,
            spread: SpreadModel::Constant,
            covariance: Covariance::Auto,
            intervals: Intervals::Auto,
            bounds: Vec::new(),
        }
    }
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every choice's name, in declaration order.
            pub const NAMES: &[&str] = &[$($text,)+];

            /// The name in settings and results.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The choice of that name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

named! {
    /// What a residual of ln T costs.
    Loss {
        /// Its square.
        LeastSquares = "least_squares",
        /// Huber's: square up to 1.345 scales, then straight.
        Huber = "huber",
        /// `2·(sqrt(1 + z) − 1)` of the squared scaled residual: a smooth Huber.
        SoftL1 = "soft_l1",
        /// `ln(1 + z)`.
        Cauchy = "cauchy",
        /// Tukey's biweight: constant beyond 4.685 scales.
        Tukey = "tukey",
    }
}

named! {
    /// What standard errors come from.
    Covariance {
        /// The information, or with a robust loss the sandwich.
        Auto = "auto",
        /// The information: right where the law of the errors is.
        Information = "information",
        /// The sandwich of information and squared scores: right also where it is not.
        Sandwich = "sandwich",
    }
}

named! {
    /// How intervals are made.
    Intervals {
        /// From the standard error where the objective is as curved as that takes it to be, else from
        /// the profile.
        Auto = "auto",
        /// From the standard error.
        Wald = "wald",
        /// From where the profile of the likelihood falls by the quantile of chi-square.
        Profile = "profile",
    }
}

named! {
    /// How wide ln T scatters about the median m.
    SpreadModel {
        /// The same everywhere.
        Constant = "constant",
        /// Budge, Ingolfsson and Zerom's, which falls with m.
        Budge = "budge",
    }
}

/// Law of the errors on ln T.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Errors {
    /// Normal.
    Normal,
    /// Student's t.
    StudentT {
        /// Degrees of freedom, above 0; `None` where they are estimated.
        dof: Option<f64>,
    },
}

impl Errors {
    /// Every law's name, in declaration order.
    pub const NAMES: &[&str] = &["normal", "student_t"];

    /// The name in settings and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::StudentT { .. } => "student_t",
        }
    }
}

/// Range of one published parameter; where both ends are equal the parameter is fixed there.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Published name, for example `cruise_speed_kmh`.
    pub name: String,
    /// Least value, in the published unit.
    pub min: f64,
    /// Greatest value, in the published unit.
    pub max: f64,
}
