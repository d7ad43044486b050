//! Fisher's scoring with bounds as a solver of argmin's: maximises a [`Likelihood`].
//!
//! A step minimises the quadratic of gradient and expected information, damped as Levenberg and
//! Marquardt's; parameters that would leave their bounds are put on them and the others are solved
//! again. argmin's own trust region has no test for being done, so the solver says itself.

use argmin::core::{
    Error, Executor, IterState, KV, Problem, Solver, TerminationReason, TerminationStatus,
};
use nalgebra::{DMatrix, DVector};

use super::likelihood::{Block, Evaluation, Likelihood};
use super::report::Termination;

/// What is added to the scaled diagonal of the information always: keeps directions without any
/// information where they are.
const RIDGE: f64 = 1e-13;
/// First damping where a step fails, of the scaled diagonal, and the greatest.
const FIRST_DAMPING: f64 = 1e-3;
const MAX_DAMPING: f64 = 1e15;
/// Least ratio of actual to predicted fall at which a step is taken.
const LEAST_RATIO: f64 = 1e-4;
/// Scoring converges by a factor per step: it is pushed to this offset at the least, a
/// hundred-millionth of a standard error where there are a hundred records.
const LEAST_OFFSET: f64 = 1e-9;
/// Name of argmin's counter.
const EVALUATIONS: &str = "likelihood_count";

/// argmin's state with plain vectors; gradient and matrices stay with the solver.
type State = IterState<Vec<f64>, (), (), (), (), f64>;

/// Where a maximisation ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Maximum {
    pub(super) parameters: Vec<f64>,
    pub(super) at: Evaluation,
    pub(super) termination: Termination,
    pub(super) n_iterations: u64,
    pub(super) n_evaluations: u64,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub(super) max_iterations: u64,
    /// Way that is left, in standard errors over the root of the number of records.
    pub(super) tolerance: f64,
}

/// Maximises from `start`, drawn into the bounds, asking `stopped` before every step; the result is
/// the best place seen.
pub(super) fn maximize(
    likelihood: &Likelihood<'_>,
    start: &[f64],
    limits: Limits,
    stopped: &dyn Fn() -> bool,
) -> Maximum {
    let bounds = likelihood.bounds.iter();
    let start: Vec<f64> = start.iter().zip(bounds).map(|(x, &(l, h))| x.max(l).min(h)).collect();
    let mut block = Block::default();
    let first = Place::at(likelihood, start, &mut block);
    let ended = (!first.at.cost.is_finite()).then_some(Termination::NoFiniteStart);
    let tolerance = limits.tolerance.max(LEAST_OFFSET);
    let scoring = Scoring {
        current: first.clone(),
        damping: 0.0,
        tolerance,
        n_stuck: 0,
        stopped,
        block,
        ended,
    };
    let outcome = Executor::new(likelihood, scoring)
        .configure(|state: State| {
            state.param(first.parameters.clone()).max_iters(limits.max_iterations)
        })
        .ctrlc(false)
        .timer(false)
        .run();
    match outcome {
        Ok(result) => Maximum {
            termination: result.solver.ended.unwrap_or(Termination::IterationLimit),
            n_iterations: result.state.iter,
            n_evaluations: 1 + result.problem.counts.get(EVALUATIONS).copied().unwrap_or(0),
            parameters: result.solver.current.parameters,
            at: result.solver.current.at,
        },
        // The solver returns no error; argmin itself only if a state had no parameters.
        Err(_) => Maximum {
            parameters: first.parameters,
            at: first.at,
            termination: Termination::NoProgress,
            n_iterations: 0,
            n_evaluations: 1,
        },
    }
}

#[derive(Debug, Clone)]
struct Place {
    parameters: Vec<f64>,
    at: Evaluation,
    /// Way to the optimum of the quadratic within the free parameters, in standard errors, over the
    /// root of the number of records.
    offset: f64,
}

struct Step {
    change: Vec<f64>,
    /// Fall of the cost that the quadratic promises.
    predicted: f64,
}

impl Place {
    fn at(likelihood: &Likelihood<'_>, parameters: Vec<f64>, block: &mut Block) -> Self {
        let at = likelihood.evaluate(&parameters, block);
        let mut place = Self { parameters, at, offset: f64::INFINITY };
        if place.at.cost.is_finite() {
            let free = place.free(&likelihood.bounds);
            let change = place.solve(&free, &vec![0.0; place.parameters.len()], 0.0);
            let way = change.map(|change| {
                free.iter().zip(&change).map(|(&j, c)| -place.at.gradient[j] * c).sum::<f64>()
            });
            let n = likelihood.observations.weight_sum();
            place.offset = way.map_or(f64::INFINITY, |way| (way.max(0.0) / n).sqrt());
        }
        place
    }

    /// Parameters that may move: all but those on a bound behind which the likelihood would rise.
    fn free(&self, bounds: &[(f64, f64)]) -> Vec<usize> {
        (0..self.parameters.len())
            .filter(|&j| {
                let (low, high) = bounds[j];
                let (x, slope) = (self.parameters[j], self.at.gradient[j]);
                !(x <= low && (slope > 0.0 || low >= high) || x >= high && slope < 0.0)
            })
            .collect()
    }

    fn information(&self, j: usize, k: usize) -> f64 {
        self.at.information[j * self.parameters.len() + k]
    }

    /// Change of the free parameters while the others move by what stands in `shift`.
    fn solve(&self, free: &[usize], shift: &[f64], damping: f64) -> Option<Vec<f64>> {
        let length = |j: usize| {
            let square = self.information(j, j);
            if square > 0.0 { square.sqrt() } else { 1.0 }
        };
        let matrix = DMatrix::from_fn(free.len(), free.len(), |row, column| {
            let (j, k) = (free[row], free[column]);
            let ridge = if row == column { damping + RIDGE } else { 0.0 };
            self.information(j, k) / length(j) / length(k) + ridge
        });
        let target = DVector::from_fn(free.len(), |row, _| {
            let j = free[row];
            let shifted: f64 =
                shift.iter().enumerate().map(|(k, s)| self.information(j, k) * s).sum();
            -(self.at.gradient[j] + shifted) / length(j)
        });
        let solution = matrix.cholesky()?.solve(&target);
        let change: Vec<f64> = free.iter().zip(&solution).map(|(&j, s)| s / length(j)).collect();
        change.iter().all(|c| c.is_finite()).then_some(change)
    }

    fn step(&self, bounds: &[(f64, f64)], damping: f64) -> Option<Step> {
        let mut change = vec![0.0; self.parameters.len()];
        let mut free = self.free(bounds);
        while !free.is_empty() {
            for &j in &free {
                change[j] = 0.0;
            }
            let part = self.solve(&free, &change, damping)?;
            for (&j, &value) in free.iter().zip(&part) {
                change[j] = value;
            }
            let before = free.len();
            free.retain(|&j| {
                let (low, high) = bounds[j];
                let is_inside = (low..=high).contains(&(self.parameters[j] + change[j]));
                if !is_inside {
                    change[j] = if change[j] < 0.0 { low } else { high } - self.parameters[j];
                }
                is_inside
            });
            if free.len() == before {
                break;
            }
        }
        let n = change.len();
        let slope: f64 = self.at.gradient.iter().zip(&change).map(|(g, c)| g * c).sum();
        let bend: f64 = (0..n * n)
            .map(|entry| self.at.information[entry] * change[entry / n] * change[entry % n])
            .sum();
        Some(Step { change, predicted: -slope - 0.5 * bend })
    }
}

struct Scoring<'a> {
    current: Place,
    damping: f64,
    tolerance: f64,
    /// Steps in a row, below the rounding of the cost, that did not halve the offset.
    n_stuck: u32,
    stopped: &'a dyn Fn() -> bool,
    block: Block,
    ended: Option<Termination>,
}

impl Scoring<'_> {
    /// Tries one step; says why it is the last, if so.
    fn advance(
        &mut self,
        problem: &mut Problem<&Likelihood<'_>>,
    ) -> Result<Option<Termination>, Error> {
        if (self.stopped)() {
            return Ok(Some(Termination::Cancelled));
        }
        let (current, damping, block) = (&self.current, self.damping, &mut self.block);
        let tried = problem.problem(EVALUATIONS, |likelihood| {
            Ok(current.step(&likelihood.bounds, damping).map(|step| {
                let bounds = likelihood.bounds.iter();
                let moved = (current.parameters.iter().zip(&step.change).zip(bounds))
                    .map(|((x, c), &(low, high))| (x + c).max(low).min(high))
                    .collect();
                let trial = Place::at(likelihood, moved, block);
                (step, trial, likelihood.noise(current.at.cost))
            }))
        })?;
        Ok(match tried {
            None => self.damp(),
            Some((step, trial, noise)) => self.judge(&step, trial, noise),
        })
    }

    fn judge(&mut self, step: &Step, trial: Place, noise: f64) -> Option<Termination> {
        let fall = self.current.at.cost - trial.at.cost;
        if step.predicted <= noise && fall.abs() <= noise {
            return self.judge_by_offset(trial);
        }
        let ratio = fall / step.predicted;
        if ratio.is_nan() || ratio < LEAST_RATIO {
            return self.damp();
        }
        if ratio > 0.5 {
            self.damping = if self.damping > 1e-6 { 0.1 * self.damping } else { 0.0 };
        }
        self.n_stuck = 0;
        self.current = trial;
        self.is_done().then_some(Termination::GradientConverged)
    }

    /// Below the rounding of the cost the offset still shows progress.
    fn judge_by_offset(&mut self, trial: Place) -> Option<Termination> {
        let is_halved = trial.offset <= 0.5 * self.current.offset;
        self.n_stuck = if is_halved { 0 } else { self.n_stuck + 1 };
        if trial.offset < self.current.offset {
            self.current = trial;
        }
        if self.is_done() {
            Some(Termination::GradientConverged)
        } else {
            (self.n_stuck >= 3).then_some(Termination::CostConverged)
        }
    }

    fn damp(&mut self) -> Option<Termination> {
        self.damping = (10.0 * self.damping).max(FIRST_DAMPING);
        (self.damping > MAX_DAMPING).then_some(Termination::NoProgress)
    }

    fn is_done(&self) -> bool {
        self.current.offset <= self.tolerance
    }
}

impl Solver<&Likelihood<'_>, State> for Scoring<'_> {
    fn name(&self) -> &'static str {
        "Fisher scoring"
    }

    fn init(
        &mut self,
        _problem: &mut Problem<&Likelihood<'_>>,
        state: State,
    ) -> Result<(State, Option<KV>), Error> {
        if self.ended.is_none() && self.is_done() {
            self.ended = Some(Termination::GradientConverged);
        }
        Ok((state.cost(self.current.at.cost), None))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<&Likelihood<'_>>,
        state: State,
    ) -> Result<(State, Option<KV>), Error> {
        self.ended = self.advance(problem)?;
        let parameters = self.current.parameters.clone();
        Ok((state.param(parameters).cost(self.current.at.cost), None))
    }

    fn terminate(&mut self, _state: &State) -> TerminationStatus {
        match self.ended {
            None => TerminationStatus::NotTerminated,
            Some(Termination::Cancelled) => {
                TerminationStatus::Terminated(TerminationReason::Interrupt)
            }
            Some(Termination::CostConverged | Termination::GradientConverged) => {
                TerminationStatus::Terminated(TerminationReason::SolverConverged)
            }
            Some(other) => TerminationStatus::Terminated(TerminationReason::SolverExit(
                other.as_str().to_owned(),
            )),
        }
    }
}
