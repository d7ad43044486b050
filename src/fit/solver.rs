//! Levenberg–Marquardt as a solver of argmin's, for any [`LeastSquares`].
//!
//! Follows MINPACK's `lmder` in radius and scaling. It differs at the end: where the sum of
//! squares no longer shows progress above its rounding, the offset (see
//! `trust_region`) still does, and decides. Knows nothing of travel times.

use argmin::core::{
    Error, Executor, IterState, KV, Problem, Solver, TerminationReason, TerminationStatus,
};

use super::least_squares::{LeastSquares, Triangle};
use super::newton::newton_step;
use super::options::FitOptions;
use super::report::Termination;
use super::trust_region::{Place, Step};

/// MINPACK's first radius, in lengths of the scaled start.
const RADIUS_FACTOR: f64 = 100.0;
/// MINPACK's least ratio of actual to predicted fall at which a step is taken.
const LEAST_RATIO: f64 = 1e-4;
/// Steps without halving the offset after which second derivatives are worth their price.
const SLOW_STEPS: u32 = 4;
/// Offset under which the minimum is near enough for a quadratic to be trusted.
const NEAR: f64 = 0.01;
/// Residuals whose norm is at most so many times their rounding are none: what is left of an exact
/// curve is the rounding of its own evaluation, which [`LeastSquares::residual_noise`] does not hold.
const EXACT: f64 = 64.0;
/// Name of argmin's counter.
const EVALUATIONS: &str = "residual_count";

/// argmin's state with plain vectors; gradient and matrices stay with the solver.
type State = IterState<Vec<f64>, (), (), (), (), f64>;

/// Where a minimisation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The parameters, within their bounds.
    pub parameters: Vec<f64>,
    /// Factor of the Jacobian and residuals there.
    pub triangle: Triangle,
    /// Why it ended.
    pub termination: Termination,
    /// Steps tried.
    pub n_iterations: u64,
    /// Evaluations of all residuals.
    pub n_evaluations: u64,
}

/// Minimises from `start`, asking `stopped` before every step.
///
/// The result is the best point seen, whatever the reason for stopping; where already the start
/// (clamped into the bounds) is not finite, that is the reason, and the triangle is not finite.
pub fn minimize(
    problem: &impl LeastSquares,
    start: &[f64],
    options: &FitOptions,
    stopped: &dyn Fn() -> bool,
) -> Minimum {
    let start: Vec<f64> =
        start.iter().zip(problem.bounds()).map(|(x, &(low, high))| x.max(low).min(high)).collect();
    let mut block = Vec::new();
    let first = Point::at(problem, start, &mut block);
    let solver = LevenbergMarquardt::new(first.clone(), options.tolerance, stopped, block);
    let outcome = Executor::new(problem, solver)
        .configure(|state: State| {
            state.param(first.parameters.clone()).max_iters(options.max_iterations)
        })
        .ctrlc(false)
        .timer(false)
        .run();
    match outcome {
        Ok(result) => Minimum {
            termination: reason(&result.solver, problem.residual_noise()),
            n_iterations: result.state.iter,
            n_evaluations: 1 + result.problem.counts.get(EVALUATIONS).copied().unwrap_or(0),
            parameters: result.solver.current.parameters,
            triangle: result.solver.current.triangle,
        },
        // The solver returns no error; argmin itself only if a state had no parameters.
        Err(_) => Minimum {
            parameters: first.parameters,
            triangle: first.triangle,
            termination: Termination::NoProgress,
            n_iterations: 0,
            n_evaluations: 1,
        },
    }
}

/// Why it ended; a curve that meets every record is called so, whichever of the rules ended it.
fn reason(solver: &LevenbergMarquardt<'_>, noise: f64) -> Termination {
    let ended = solver.ended.unwrap_or(Termination::IterationLimit);
    let is_judged = !matches!(ended, Termination::Cancelled | Termination::NoFiniteStart);
    let is_exact = solver.current.ssr.sqrt() <= EXACT * noise;
    if is_judged && is_exact { Termination::ExactFit } else { ended }
}

#[derive(Debug, Clone)]
struct Point {
    parameters: Vec<f64>,
    triangle: Triangle,
    ssr: f64,
    offset: f64,
}

impl Point {
    fn at(problem: &impl LeastSquares, parameters: Vec<f64>, block: &mut Vec<f64>) -> Self {
        let triangle = Triangle::reduce(problem, &parameters, block);
        let is_finite = triangle.is_finite();
        let ssr = if is_finite { triangle.ssr() } else { f64::INFINITY };
        let bounds = problem.bounds();
        let place = Place { parameters: &parameters, triangle: &triangle, bounds };
        let offset = if is_finite { place.offset() } else { f64::INFINITY };
        Self { parameters, triangle, ssr, offset }
    }
}

struct LevenbergMarquardt<'a> {
    current: Point,
    /// Greatest length that each column of the Jacobian has had (Moré's `D`).
    scale: Vec<f64>,
    radius: f64,
    tolerance: f64,
    stopped: &'a dyn Fn() -> bool,
    block: Vec<f64>,
    ended: Option<Termination>,
    is_first: bool,
    /// Steps in a row that did not halve the offset.
    n_slow: u32,
}

impl<'a> LevenbergMarquardt<'a> {
    fn new(current: Point, tolerance: f64, stopped: &'a dyn Fn() -> bool, block: Vec<f64>) -> Self {
        let lengths = (0..current.parameters.len()).map(|j| current.triangle.column_norm(j));
        let scale: Vec<f64> = lengths.map(|l| if l > 0.0 { l } else { 1.0 }).collect();
        let ended = (!current.ssr.is_finite()).then_some(Termination::NoFiniteStart);
        let mut solver = Self {
            current,
            scale,
            radius: RADIUS_FACTOR,
            tolerance,
            stopped,
            block,
            ended,
            is_first: true,
            n_slow: 0,
        };
        let length = solver.scaled_length();
        if length > 0.0 {
            solver.radius *= length;
        }
        solver
    }

    /// `‖D·parameters‖`.
    fn scaled_length(&self) -> f64 {
        let parameters = self.current.parameters.iter();
        parameters.zip(&self.scale).map(|(x, d)| (x * d).powi(2)).sum::<f64>().sqrt()
    }

    /// What rounding alone may change of the sum of squares.
    fn ssr_noise(&self, noise: f64) -> f64 {
        4.0 * noise * (noise + self.current.ssr.sqrt()) + 16.0 * f64::EPSILON * self.current.ssr
    }

    /// Tries one step; says why it is the last, if so.
    fn advance<O: LeastSquares>(
        &mut self,
        problem: &mut Problem<O>,
    ) -> Result<Option<Termination>, Error> {
        if (self.stopped)() {
            return Ok(Some(Termination::Cancelled));
        }
        let was_slow = self.n_slow >= SLOW_STEPS;
        let is_newton_due = was_slow && self.current.offset <= NEAR;
        let (current, scale, radius) = (&self.current, &self.scale, self.radius);
        let block = &mut self.block;
        let mut n_extra = 0;
        let tried = problem.problem(EVALUATIONS, |problem| {
            let (parameters, triangle) = (&current.parameters, &current.triangle);
            let place = Place { parameters, triangle, bounds: problem.bounds() };
            let newton = if is_newton_due {
                newton_step(problem, &place, scale, block, &mut n_extra)
            } else {
                None
            };
            let is_newton = newton.is_some();
            Ok(newton.or_else(|| place.step(scale, radius)).map(|step| {
                let moved = moved(parameters, &step.change, problem.bounds());
                (step, is_newton, Point::at(problem, moved, block))
            }))
        })?;
        *problem.counts.entry(EVALUATIONS).or_insert(0) += n_extra;
        let noise = problem.problem.as_ref().map_or(0.0, LeastSquares::residual_noise);
        let Some((step, is_newton, trial)) = tried else {
            return Ok(Some(Termination::NoProgress));
        };
        let is_better = trial.ssr < self.current.ssr || trial.offset < self.current.offset;
        if is_newton && !is_better {
            // The quadratic deceived: back to the trust region, whose radius is still right; where
            // rounding deceived, there is nothing left to gain.
            self.n_slow = 0;
            let is_rounding = step.predicted <= self.ssr_noise(noise);
            return Ok(is_rounding.then_some(Termination::CostConverged));
        }
        let is_halved = trial.offset <= 0.5 * self.current.offset;
        self.n_slow = if is_halved { 0 } else { self.n_slow + 1 };
        Ok(self.judge(&step, trial, noise, was_slow))
    }

    fn judge(
        &mut self,
        step: &Step,
        trial: Point,
        noise: f64,
        was_slow: bool,
    ) -> Option<Termination> {
        let fall = self.current.ssr - trial.ssr;
        let ssr_noise = self.ssr_noise(noise);
        if self.is_first {
            self.radius = self.radius.min(step.length);
            self.is_first = false;
        }
        if fall.abs() <= ssr_noise && step.predicted <= ssr_noise {
            return self.judge_by_offset(step, trial, noise, was_slow);
        }
        let ratio = if step.predicted > 0.0 { fall / step.predicted } else { -1.0 };
        self.resize(step, ratio, trial.ssr.is_finite());
        if ratio >= LEAST_RATIO {
            return self.accept(step, trial, noise);
        }
        (self.radius <= f64::EPSILON * self.scaled_length().max(f64::MIN_POSITIVE))
            .then_some(Termination::NoProgress)
    }

    /// Below the rounding of the sum of squares: go on while the offset falls steadily, else try
    /// second derivatives where the minimum is near enough for them, else stop.
    fn judge_by_offset(
        &mut self,
        step: &Step,
        trial: Point,
        noise: f64,
        was_slow: bool,
    ) -> Option<Termination> {
        let is_steady = trial.offset <= 0.5 * self.current.offset;
        let is_better = trial.offset < self.current.offset;
        let ended = if is_better { self.accept(step, trial, noise) } else { None };
        self.n_slow = if is_steady { 0 } else { SLOW_STEPS };
        ended.or((was_slow && !is_steady).then_some(Termination::CostConverged))
    }

    fn resize(&mut self, step: &Step, ratio: f64, is_finite: bool) {
        if ratio < 0.25 {
            let shrink = if is_finite && ratio > -1.0 { 0.5 } else { 0.1 };
            self.radius = shrink * self.radius.min(step.length / 0.1);
        } else if ratio >= 0.75 || !step.is_cut {
            self.radius = self.radius.max(2.0 * step.length);
        }
    }

    fn accept(&mut self, step: &Step, trial: Point, noise: f64) -> Option<Termination> {
        self.current = trial;
        for (j, scale) in self.scale.iter_mut().enumerate() {
            *scale = scale.max(self.current.triangle.column_norm(j));
        }
        let is_short = !step.is_cut && step.length <= self.tolerance * self.scaled_length();
        self.converged(noise).or(is_short.then_some(Termination::StepConverged))
    }

    fn converged(&self, noise: f64) -> Option<Termination> {
        if self.current.ssr.sqrt() <= noise {
            Some(Termination::ExactFit)
        } else if self.current.offset <= self.tolerance {
            Some(Termination::GradientConverged)
        } else {
            None
        }
    }
}

fn moved(parameters: &[f64], change: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    (parameters.iter().zip(change).zip(bounds))
        .map(|((x, c), &(low, high))| (x + c).max(low).min(high))
        .collect()
}

impl<O: LeastSquares> Solver<O, State> for LevenbergMarquardt<'_> {
    fn name(&self) -> &'static str {
        "Levenberg-Marquardt"
    }

    fn init(
        &mut self,
        problem: &mut Problem<O>,
        state: State,
    ) -> Result<(State, Option<KV>), Error> {
        let noise = problem.problem.as_ref().map_or(0.0, LeastSquares::residual_noise);
        if self.ended.is_none() {
            self.ended = self.converged(noise);
        }
        Ok((state.cost(self.current.ssr), None))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: State,
    ) -> Result<(State, Option<KV>), Error> {
        self.ended = self.advance(problem)?;
        let parameters = self.current.parameters.clone();
        Ok((state.param(parameters).cost(self.current.ssr), None))
    }

    fn terminate(&mut self, _state: &State) -> TerminationStatus {
        match self.ended {
            None => TerminationStatus::NotTerminated,
            Some(Termination::Cancelled) => {
                TerminationStatus::Terminated(TerminationReason::Interrupt)
            }
            Some(
                Termination::CostConverged
                | Termination::StepConverged
                | Termination::GradientConverged
                | Termination::ExactFit,
            ) => TerminationStatus::Terminated(TerminationReason::SolverConverged),
            Some(other) => TerminationStatus::Terminated(TerminationReason::SolverExit(
                other.as_str().to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
