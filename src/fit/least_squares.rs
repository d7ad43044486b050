//! What the solver minimises, and the reduction of a long Jacobian to a small triangle.
//!
//! Knows nothing of travel times. The Jacobian is never held: blocks of rows are folded by
//! Householder reflections into the triangular factor, so that memory is constant and the accuracy
//! is that of QR and not of the normal equations. Blocks and sums have a fixed order, hence the
//! same input gives the same bits.

/// Rows that are folded at once: three columns of them stay in the first-level cache.
pub const BLOCK_ROWS: usize = 256;

/// Squared lengths below this count as zero: their reciprocals would overflow.
const NEGLIGIBLE: f64 = 1e-290;

/// A nonlinear least-squares problem, `min Σ residual²` within bounds.
pub trait LeastSquares {
    /// Number of parameters.
    fn n_parameters(&self) -> usize;

    /// Number of residuals.
    fn n_rows(&self) -> usize;

    /// Lower and upper bound of each parameter; infinite where there is none.
    fn bounds(&self) -> &[(f64, f64)];

    /// Norm of the rounding error that the vector of residuals carries.
    fn residual_noise(&self) -> f64;

    /// Writes the residuals (model − observed, times the square root of the weight) of the rows
    /// from `first` on, and their derivatives: `jacobian` is column-major with
    /// `residuals.len()` rows.
    fn fill(&self, parameters: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]);
}

impl<P: LeastSquares + ?Sized> LeastSquares for &P {
    fn n_parameters(&self) -> usize {
        (**self).n_parameters()
    }

    fn n_rows(&self) -> usize {
        (**self).n_rows()
    }

    fn bounds(&self) -> &[(f64, f64)] {
        (**self).bounds()
    }

    fn residual_noise(&self) -> f64 {
        (**self).residual_noise()
    }

    fn fill(&self, parameters: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
        (**self).fill(parameters, first, jacobian, residuals);
    }
}

/// The factor `[R, Qᵀr; 0, ρ]` of `[J, r]`: all that a step and the uncertainty need.
#[derive(Debug, Clone, PartialEq)]
pub struct Triangle {
    n_parameters: usize,
    /// Row-major, `n_parameters + 1` square.
    entries: Vec<f64>,
}

impl Triangle {
    /// Folds all rows of the problem at `parameters`; `block` is scratch that is kept between
    /// calls.
    pub fn reduce(problem: &impl LeastSquares, parameters: &[f64], block: &mut Vec<f64>) -> Self {
        let (n_columns, n_rows) = (problem.n_parameters() + 1, problem.n_rows());
        let mut triangle =
            Self { n_parameters: n_columns - 1, entries: vec![0.0; n_columns * n_columns] };
        block.resize(n_columns * BLOCK_ROWS, 0.0);
        let mut first = 0;
        while first < n_rows {
            let rows = BLOCK_ROWS.min(n_rows - first);
            let columns = &mut block[..n_columns * rows];
            let (jacobian, residuals) = columns.split_at_mut((n_columns - 1) * rows);
            problem.fill(parameters, first, jacobian, residuals);
            triangle.fold(columns, rows);
            first += rows;
        }
        triangle
    }

    /// Folds one block, destroying it. The reflection of a column has its pivot in the triangle
    /// and all else in the block, since below its diagonal the triangle is zero.
    fn fold(&mut self, columns: &mut [f64], rows: usize) {
        let n = self.n_parameters + 1;
        for j in 0..n {
            let (done, later) = columns.split_at_mut((j + 1) * rows);
            let column = &done[j * rows..];
            let below = dot(column, column);
            if below < NEGLIGIBLE {
                continue;
            }
            let pivot = self.entries[j * n + j];
            let norm = (pivot * pivot + below).sqrt();
            let head = if pivot > 0.0 { pivot + norm } else { pivot - norm };
            let factor = -2.0 / (head * head + below);
            self.entries[j * n + j] = if pivot > 0.0 { -norm } else { norm };
            for (k, other) in (j + 1..n).zip(later.chunks_exact_mut(rows)) {
                let above = &mut self.entries[j * n + k];
                let shift = factor * (head * *above + dot(column, other));
                *above += shift * head;
                add_scaled(other, shift, column);
            }
        }
    }

    /// Number of parameters.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.n_parameters
    }

    /// Entry of `R`; zero below the diagonal.
    #[must_use]
    pub fn r(&self, row: usize, column: usize) -> f64 {
        self.entries[row * (self.n_parameters + 1) + column]
    }

    /// Entry of `Qᵀr`.
    #[must_use]
    pub fn qtr(&self, row: usize) -> f64 {
        self.r(row, self.n_parameters)
    }

    /// Euclidean norm of a column of the Jacobian.
    #[must_use]
    pub fn column_norm(&self, column: usize) -> f64 {
        (0..=column).map(|row| self.r(row, column).powi(2)).sum::<f64>().sqrt()
    }

    /// Half the derivative of the sum of squares with respect to a parameter.
    #[must_use]
    pub fn gradient(&self, column: usize) -> f64 {
        (0..=column).map(|row| self.r(row, column) * self.qtr(row)).sum()
    }

    /// Sum of squared residuals.
    #[must_use]
    pub fn ssr(&self) -> f64 {
        (0..=self.n_parameters).map(|row| self.qtr(row).powi(2)).sum()
    }

    /// Whether every entry is finite, and so every residual and derivative was.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.entries.iter().all(|entry| entry.is_finite()) && self.ssr().is_finite()
    }
}

/// Scalar product, in eight interleaved sums: fixed in order and open to vectorisation.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + tail
}

/// `target += factor · source`.
fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t += factor * s;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A straight line through `n` points, so that the normal equations are known in closed form.
    struct Line(usize);

    impl LeastSquares for Line {
        fn n_parameters(&self) -> usize {
            2
        }
        fn n_rows(&self) -> usize {
            self.0
        }
        fn bounds(&self) -> &[(f64, f64)] {
            &[(f64::NEG_INFINITY, f64::INFINITY); 2]
        }
        fn residual_noise(&self) -> f64 {
            0.0
        }
        fn fill(&self, p: &[f64], first: usize, jacobian: &mut [f64], residuals: &mut [f64]) {
            let rows = residuals.len();
            for i in 0..rows {
                let x = (first + i) as f64;
                jacobian[i] = 1.0;
                jacobian[rows + i] = x;
                residuals[i] = p[0] + p[1] * x - (x * 0.37).sin();
            }
        }
    }

    #[test]
    fn triangle_reproduces_the_gram_matrix() {
        for n in [1, 2, 3, 255, 256, 257, 1000] {
            let (line, parameters) = (Line(n), [0.3, -0.01]);
            let triangle = Triangle::reduce(&line, &parameters, &mut Vec::new());
            let mut all = vec![0.0; 3 * n];
            let (jacobian, residuals) = all.split_at_mut(2 * n);
            line.fill(&parameters, 0, jacobian, residuals);
            let column = |j: usize| &all[j * n..(j + 1) * n];
            for (j, k) in [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)] {
                let direct: f64 = column(j).iter().zip(column(k)).map(|(x, y)| x * y).sum();
                let folded: f64 = (0..=j).map(|row| triangle.r(row, j) * triangle.r(row, k)).sum();
                assert!(
                    (direct - folded).abs() <= 1e-12 * (1.0 + direct.abs()),
                    "{n} rows, entry {j},{k}: {direct} and {folded}"
                );
            }
        }
    }

    #[test]
    fn overflow_is_noticed() {
        let triangle = Triangle::reduce(&Line(3), &[1e300, 1e300], &mut Vec::new());
        assert!(!triangle.is_finite());
    }
}
