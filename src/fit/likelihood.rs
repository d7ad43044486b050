//! −ln likelihood of the travel times with its gradient and the expected (Fisher) information.
//!
//! ln T = ln m + c·ε with the model's median m, a scale c of `spread` and ε of a law of `errors`.
//! Parameters are the model's, then the spread's, then with Student's t 1/dof, in which the law is
//! smooth at the normal. Records are read in blocks and summed in a fixed order, so that memory is
//! constant and the same observations give the same bits.
//!
//! Source: Lange, Little and Taylor, Robust statistical modeling using the t distribution (1989).

use std::f64::consts::PI;

use super::errors::{HalfStep, Law, ln_peak};
use super::least_squares::{BLOCK_ROWS, dot};
use super::models::Model;
use super::observations::Observations;
use super::options::SpreadModel;
use super::spread::{Scatter, least_b1};

/// Columns of the derivatives of ln c at the most.
const MAX_SPREAD: usize = 3;

/// What is maximised: a model, records, and the laws of what lies about the median.
pub(super) struct Likelihood<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) observations: &'a Observations,
    pub(super) spread: SpreadModel,
    pub(super) is_student: bool,
    /// Bounds of all parameters; equal ends where one is fixed.
    pub(super) bounds: Vec<(f64, f64)>,
}

/// Value, gradient and expected information at one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluation {
    /// −Σ w·ln density of ln T (T in min); infinite where the parameters are impossible.
    pub(super) cost: f64,
    pub(super) gradient: Vec<f64>,
    /// Row-major and symmetric.
    pub(super) information: Vec<f64>,
}

/// Columns of one block of records, kept between calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// ln m, then the residuals ln m − ln T.
    residual: Vec<f64>,
    /// Derivatives of ln m, column-major.
    by_model: Vec<f64>,
    weight: Vec<f64>,
    /// Derivative of ln c by ln m, and by the parameters of the spread.
    by_median: Vec<f64>,
    by_spread: [Vec<f64>; MAX_SPREAD],
    /// 1/c².
    precision: Vec<f64>,
    /// z², ln(1 + z²/dof), and the weight (dof+1)/(dof+z²) of Student's t: 1 for the normal law.
    square: Vec<f64>,
    ln_q: Vec<f64>,
    omega: Vec<f64>,
    /// Scratch.
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Likelihood<'_> {
    pub(super) fn n_model(&self) -> usize {
        self.bounds.len() - self.n_spread() - usize::from(self.is_student)
    }

    fn n_spread(&self) -> usize {
        match self.spread {
            SpreadModel::Constant => 1,
            SpreadModel::Budge => MAX_SPREAD,
        }
    }

    /// Degrees of freedom at `parameters`; `None` for the normal law.
    fn dof(&self, parameters: &[f64]) -> Option<f64> {
        let reciprocal = *parameters.last().filter(|_| self.is_student)?;
        Some(1.0 / reciprocal.clamp(1e-12, 1e6))
    }

    /// The law of the errors at `parameters`.
    pub(super) fn law(&self, parameters: &[f64]) -> Law {
        self.dof(parameters).map_or(Law::Normal, |dof| Law::StudentT { dof })
    }

    /// The scatter at `parameters`.
    pub(super) fn scatter(&self, parameters: &[f64]) -> Scatter {
        let n_model = self.n_model();
        self.spread.scatter(&parameters[n_model..n_model + self.n_spread()])
    }

    /// Whether the variance is positive at every median.
    fn is_possible(&self, parameters: &[f64]) -> bool {
        match self.scatter(parameters) {
            Scatter::Budge { b0, b1, b2 } => b1 >= least_b1(b0, b2),
            Scatter::Constant { .. } => true,
        }
    }

    /// What rounding alone may change of the cost.
    pub(super) fn noise(&self, cost: f64) -> f64 {
        16.0 * f64::EPSILON * (self.observations.weight_sum() + cost.abs())
    }

    /// Value, gradient and information at `parameters`.
    pub(super) fn evaluate(&self, parameters: &[f64], block: &mut Block) -> Evaluation {
        let n = parameters.len();
        let mut at = Evaluation {
            cost: f64::INFINITY,
            gradient: vec![0.0; n],
            information: vec![0.0; n * n],
        };
        if !self.is_possible(parameters) {
            return at;
        }
        let law = Expected::of(self.dof(parameters));
        let mut sums = Sums::default();
        let mut first = 0;
        while first < self.observations.len() {
            let rows = BLOCK_ROWS.min(self.observations.len() - first);
            self.fill(parameters, first, rows, block);
            sums.add(block, rows, self.spread == SpreadModel::Budge);
            self.add_gradient(block, rows, &mut at.gradient);
            self.add_information(block, rows, &law, &mut at.information);
            first += rows;
        }
        at.cost = sums.cost(&law, self.ln_scale(parameters));
        if let (Some(dof), Some(last)) = (law.dof, at.gradient.last_mut()) {
            let by_dof =
                0.5 * law.slope * sums.weight - 0.5 * sums.ln_q + 0.5 / dof * sums.weighted;
            *last = dof * dof * by_dof;
            at.information[n * n - 1] = sums.weight * law.tail;
        }
        for row in 0..n {
            for column in 0..row {
                at.information[row * n + column] = at.information[column * n + row];
            }
        }
        let is_finite = at.gradient.iter().chain(&at.information).all(|x| x.is_finite());
        at.cost = if is_finite && at.cost.is_finite() { at.cost } else { f64::INFINITY };
        at
    }

    /// Products of the records' scores, summed: the middle of the sandwich.
    pub(super) fn score_products(&self, parameters: &[f64], block: &mut Block) -> Vec<f64> {
        let n = parameters.len();
        let law = Expected::of(self.dof(parameters));
        let (n_model, n_spread) = (self.n_model(), self.n_spread());
        let mut products = vec![0.0; n * n];
        let mut columns = vec![0.0; n * BLOCK_ROWS];
        let mut first = 0;
        while first < self.observations.len() {
            let rows = BLOCK_ROWS.min(self.observations.len() - first);
            self.fill(parameters, first, rows, block);
            for i in 0..rows {
                let by_scale = 1.0 - block.omega[i] * block.square[i];
                let by_median = block.omega[i] * block.residual[i] * block.precision[i]
                    + by_scale * block.by_median[i];
                let root = block.weight[i].sqrt();
                for j in 0..n_model {
                    columns[j * rows + i] = root * by_median * block.by_model[j * rows + i];
                }
                for k in 0..n_spread {
                    columns[(n_model + k) * rows + i] = root * by_scale * block.by_spread[k][i];
                }
                if let Some(dof) = law.dof {
                    let part = law.slope - block.ln_q[i] + block.omega[i] * block.square[i] / dof;
                    columns[(n - 1) * rows + i] = root * 0.5 * dof * dof * part;
                }
            }
            for j in 0..n {
                for k in 0..n {
                    let column = |j: usize| &columns[j * rows..(j + 1) * rows];
                    products[j * n + k] += dot(column(j), column(k));
                }
            }
            first += rows;
        }
        products
    }

    fn ln_scale(&self, parameters: &[f64]) -> Option<f64> {
        (self.spread == SpreadModel::Constant).then(|| parameters[self.n_model()])
    }

    /// Writes the columns of the records from `first` on.
    fn fill(&self, parameters: &[f64], first: usize, rows: usize, block: &mut Block) {
        let n_model = self.n_model();
        block.resize(n_model);
        let distances = self.observations.distances().slice(first, rows);
        let ln_median = &mut block.residual[..rows];
        self.model.evaluate(
            &parameters[..n_model],
            distances,
            ln_median,
            &mut block.by_model[..n_model * rows],
        );
        match self.observations.sqrt_weight().get(first..first + rows) {
            Some(roots) => {
                for (weight, root) in block.weight.iter_mut().zip(roots) {
                    *weight = root * root;
                }
            }
            None => block.weight[..rows].fill(1.0),
        }
        self.fill_spread(&parameters[n_model..], rows, block);
        let observed = &self.observations.ln_time()[first..first + rows];
        let times = block.residual[..rows].iter_mut().zip(observed);
        for ((residual, observed), (square, precision)) in
            times.zip(block.square.iter_mut().zip(&block.precision))
        {
            *residual -= observed;
            *square = *residual * *residual * precision;
        }
        match self.dof(parameters) {
            None => block.omega[..rows].fill(1.0),
            Some(dof) => {
                let share = 1.0 / dof;
                for i in 0..rows {
                    let square = block.square[i];
                    block.ln_q[i] = ln_one_plus(square * share);
                    block.omega[i] = (dof + 1.0) / (dof + square);
                }
            }
        }
    }

    /// 1/c² and the derivatives of ln c; `residual` holds ln m.
    fn fill_spread(&self, spread: &[f64], rows: usize, block: &mut Block) {
        if let (SpreadModel::Budge, &[b0, b1, b2, ..]) = (self.spread, spread) {
            let (c0, c1) = (b0 * (b2 + 1.0), b1 * (b2 + 1.0));
            let [by_b0, by_b1, by_b2] = &mut block.by_spread;
            for i in 0..rows {
                let x = (-block.residual[i]).exp();
                let precision = 1.0 / ((c0 * x + c1) * x + b2);
                let half = 0.5 * precision;
                block.precision[i] = precision;
                block.by_median[i] = -half * (2.0 * c0 * x + c1) * x;
                by_b1[i] = half * (b2 + 1.0) * x;
                by_b0[i] = by_b1[i] * x;
                by_b2[i] = half * ((b0 * x + b1) * x + 1.0);
            }
        } else {
            let precision = spread.first().map_or(1.0, |ln_sigma| (-2.0 * ln_sigma).exp());
            block.precision[..rows].fill(precision);
        }
    }

    fn add_gradient(&self, block: &mut Block, rows: usize, gradient: &mut [f64]) {
        let n_model = self.n_model();
        for i in 0..rows {
            let by_scale = block.weight[i] * (1.0 - block.omega[i] * block.square[i]);
            block.second[i] = by_scale;
            block.first[i] =
                block.weight[i] * block.omega[i] * block.residual[i] * block.precision[i]
                    + by_scale * block.by_median[i];
        }
        let (by_median, by_scale) = (&block.first[..rows], &block.second[..rows]);
        for (sum, column) in
            gradient.iter_mut().zip(block.by_model.chunks_exact(rows).take(n_model))
        {
            *sum += dot(by_median, column);
        }
        for (sum, column) in gradient[n_model..].iter_mut().zip(&block.by_spread[..self.n_spread()])
        {
            *sum += dot(by_scale, &column[..rows]);
        }
    }

    /// The upper triangle.
    fn add_information(&self, block: &mut Block, rows: usize, law: &Expected, to: &mut [f64]) {
        let (n, n_model, n_spread) = (self.bounds.len(), self.n_model(), self.n_spread());
        let is_budge = self.spread == SpreadModel::Budge;
        let (by_model, by_spread) = (&block.by_model, &block.by_spread);
        let column = |j: usize| &by_model[j * rows..(j + 1) * rows];
        let (first, second) = (&mut block.first[..rows], &mut block.second[..rows]);
        for j in 0..n_model {
            for i in 0..rows {
                let (k, weight) = (block.by_median[i], block.weight[i]);
                let part = law.median * block.precision[i] + law.scale * k * k;
                first[i] = weight * part * by_model[j * rows + i];
                second[i] = weight * k * by_model[j * rows + i];
            }
            for l in j..n_model {
                to[j * n + l] += dot(first, column(l));
            }
            if is_budge {
                for (k, spread) in by_spread.iter().enumerate() {
                    to[j * n + n_model + k] += law.scale * dot(second, &spread[..rows]);
                }
                if law.dof.is_some() {
                    to[j * n + n - 1] += law.scale_and_tail * sum(second);
                }
            }
        }
        for k in 0..n_spread {
            let row = (n_model + k) * n + n_model;
            for i in 0..rows {
                first[i] = block.weight[i] * by_spread[k][i];
            }
            for l in k..n_spread {
                to[row + l] += law.scale * dot(first, &by_spread[l][..rows]);
            }
            if law.dof.is_some() {
                to[row - n_model + n - 1] += law.scale_and_tail * sum(first);
            }
        }
    }
}

impl Block {
    fn resize(&mut self, n_model: usize) {
        if self.by_model.len() == n_model * BLOCK_ROWS {
            return;
        }
        let column = || vec![0.0; BLOCK_ROWS];
        *self = Self {
            residual: column(),
            by_model: vec![0.0; n_model * BLOCK_ROWS],
            weight: column(),
            by_median: column(),
            by_spread: std::array::from_fn(|_| vec![1.0; BLOCK_ROWS]),
            precision: column(),
            square: column(),
            ln_q: column(),
            omega: column(),
            first: column(),
            second: column(),
        };
    }
}

/// ln(1 + x) for x >= 0: the sum in plain arithmetic where x is not small, which is quicker.
fn ln_one_plus(x: f64) -> f64 {
    if x > 0.1 { (1.0 + x).ln() } else { x.ln_1p() }
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// Sums over records that the value needs.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    /// Of z², of ω·z², of ln(1 + z²/dof) and of ln(1/c²).
    square: f64,
    weighted: f64,
    ln_q: f64,
    ln_precision: f64,
}

impl Sums {
    fn add(&mut self, block: &mut Block, rows: usize, is_budge: bool) {
        let weight = &block.weight[..rows];
        self.weight += sum(weight);
        self.square += dot(weight, &block.square[..rows]);
        self.ln_q += dot(weight, &block.ln_q[..rows]);
        for i in 0..rows {
            block.first[i] = block.omega[i] * block.square[i];
            block.second[i] = block.precision[i];
        }
        self.weighted += dot(weight, &block.first[..rows]);
        if is_budge {
            for ln in &mut block.second[..rows] {
                *ln = ln.ln();
            }
            self.ln_precision += dot(weight, &block.second[..rows]);
        }
    }

    fn cost(&self, law: &Expected, ln_scale: Option<f64>) -> f64 {
        let spread = ln_scale.map_or(-0.5 * self.ln_precision, |ln_scale| self.weight * ln_scale);
        match law.dof {
            None => spread + 0.5 * self.square + 0.5 * self.weight * (2.0 * PI).ln(),
            Some(dof) => spread + 0.5 * (dof + 1.0) * self.ln_q - self.weight * ln_peak(dof),
        }
    }
}

/// Expected information of one record about ln m (times 1/c²), ln c and 1/dof.
#[derive(Debug, Clone, Copy)]
struct Expected {
    dof: Option<f64>,
    median: f64,
    scale: f64,
    scale_and_tail: f64,
    tail: f64,
    /// Derivative of the constant of the density that does not depend on records.
    slope: f64,
}

impl Expected {
    fn of(dof: Option<f64>) -> Self {
        let Some(d) = dof else {
            return Self {
                dof,
                median: 1.0,
                scale: 2.0,
                scale_and_tail: 0.0,
                tail: 0.0,
                slope: 0.0,
            };
        };
        let half = HalfStep::at(0.5 * d);
        let by_dof = (3.0 - d) / (2.0 * d * d * (d + 1.0) * (d + 3.0)) - 0.25 * half.curvature;
        Self {
            dof,
            median: (d + 1.0) / (d + 3.0),
            scale: 2.0 * d / (d + 3.0),
            scale_and_tail: 2.0 * d * d / ((d + 1.0) * (d + 3.0)),
            tail: by_dof.max(0.0) * d.powi(4),
            slope: half.slope,
        }
    }
}
