//! Least squares with nonnegative unknowns, exactly: Lawson and Hanson's active set.
//!
//! For systems of the size of the parameters. Source: Lawson and Hanson, Solving Least Squares
//! Problems (1974), chapter 23.

use nalgebra::{DMatrix, DVector, SVD};

/// Singular values below this share of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-12;
/// Gradients below this share of their largest possible size count as zero.
const GRADIENT_TOLERANCE: f64 = 1e-13;
/// Changes of the active set per unknown; three are the rule of thumb of the source.
const MAX_CHANGES: usize = 10;
/// Sweeps of the singular-value iteration.
const MAX_SWEEPS: usize = 2000;

/// The `x >= 0` that makes `‖matrix·x − target‖` least; the shortest part of it that is free where
/// columns depend on each other. `None` where a number is not finite.
pub(super) fn least_squares(matrix: &DMatrix<f64>, target: &DVector<f64>) -> Option<Vec<f64>> {
    let n = matrix.ncols();
    let scale: Vec<f64> = (0..n).map(|j| matrix.column(j).norm()).collect();
    if !(scale.iter().all(|s| s.is_finite()) && target.norm().is_finite()) {
        return None;
    }
    let unit = DMatrix::from_fn(matrix.nrows(), n, |row, column| {
        if scale[column] > 0.0 { matrix[(row, column)] / scale[column] } else { 0.0 }
    });
    let mut solution = ActiveSet { matrix: &unit, target, x: vec![0.0; n], free: vec![false; n] };
    solution.solve()?;
    let x = solution.x.iter().zip(&scale).map(|(x, s)| if *s > 0.0 { x / s } else { 0.0 });
    Some(x.collect())
}

struct ActiveSet<'a> {
    matrix: &'a DMatrix<f64>,
    target: &'a DVector<f64>,
    x: Vec<f64>,
    free: Vec<bool>,
}

impl ActiveSet<'_> {
    /// Frees the unknown with the steepest fall until none falls any more.
    fn solve(&mut self) -> Option<()> {
        let n = self.x.len();
        let mut deceived = vec![false; n];
        for _ in 0..MAX_CHANGES * n {
            let x = DVector::from_column_slice(&self.x);
            let fall = self.matrix.tr_mul(&(self.target - self.matrix * &x));
            let least = GRADIENT_TOLERANCE * self.target.norm();
            let steepest = (0..n)
                .filter(|&j| !self.free[j] && !deceived[j] && fall[j] > least)
                .max_by(|&a, &b| fall[a].total_cmp(&fall[b]));
            let Some(entering) = steepest else { break };
            self.free[entering] = true;
            self.descend(entering)?;
            // Rounding made the fall: it would enter again for ever.
            deceived[entering] = !self.free[entering];
            if self.free[entering] {
                deceived.fill(false);
            }
        }
        Some(())
    }

    /// Moves to the minimum over the free unknowns, holding those that reach zero on the way.
    fn descend(&mut self, entering: usize) -> Option<()> {
        for _ in 0..=self.x.len() {
            let free: Vec<usize> = (0..self.x.len()).filter(|&j| self.free[j]).collect();
            let goal = self.unbounded(&free)?;
            if free.iter().zip(&goal).any(|(&j, &z)| j == entering && z <= 0.0 && self.x[j] == 0.0)
            {
                self.free[entering] = false;
                return Some(());
            }
            let share = (free.iter().zip(&goal))
                .filter(|(_, z)| **z <= 0.0)
                .map(|(&j, z)| self.x[j] / (self.x[j] - z))
                .fold(1.0, f64::min);
            for (&j, &z) in free.iter().zip(&goal) {
                self.x[j] += share * (z - self.x[j]);
                let is_zero = z <= 0.0 && self.x[j] <= f64::EPSILON * z.abs();
                if is_zero || self.x[j] <= 0.0 {
                    self.x[j] = 0.0;
                    self.free[j] = false;
                }
            }
            if share >= 1.0 {
                return Some(());
            }
        }
        Some(())
    }

    /// The minimum over these unknowns, whatever their sign.
    fn unbounded(&self, free: &[usize]) -> Option<Vec<f64>> {
        let columns =
            DMatrix::from_fn(self.matrix.nrows(), free.len(), |row, k| self.matrix[(row, free[k])]);
        let svd = SVD::try_new(columns, true, true, f64::EPSILON, MAX_SWEEPS)?;
        let cut = RANK_TOLERANCE * svd.singular_values.max();
        let solution = svd.solve(self.target, cut).ok()?;
        Some(solution.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(matrix: &[[f64; 3]], target: &[f64], expected: [f64; 3]) {
        let matrix = DMatrix::from_fn(matrix.len(), 3, |i, j| matrix[i][j]);
        let x = least_squares(&matrix, &DVector::from_column_slice(target)).unwrap();
        for (x, expected) in x.iter().zip(expected) {
            assert!((x - expected).abs() < 1e-12, "{x} {expected}");
        }
    }

    #[test]
    fn small_systems_have_their_known_solutions() {
        let identity = [[1., 0., 0.], [0., 1., 0.], [0., 0., 1.]];
        check(&identity, &[1., 2., 3.], [1., 2., 3.]);
        check(&identity, &[1., -2., 3.], [1., 0., 3.]);
        check(&identity, &[-1., -2., -3.], [0., 0., 0.]);
        // By hand: free of bounds the second would be negative, alone the others solve 2×2.
        check(&[[1., 1., 0.], [1., 0., 1.], [0., 1., 1.]], &[2., 2., 0.], [2., 0., 0.]);
        // A column of zeros stays at zero.
        check(&[[2., 0., 0.], [0., 0., 4.]], &[2., 2.], [1., 0., 0.5]);
    }

    proptest! {
        /// What characterises the minimum (Karush, Kuhn and Tucker): no fall where zero, a level
        /// sum of squares where positive.
        #[test]
        fn conditions_of_the_minimum_hold(
            entries in prop::collection::vec(-1.0..1.0f64, 40),
            target in prop::collection::vec(-1.0..1.0f64, 8),
            is_twin in prop::bool::ANY,
        ) {
            let mut matrix = DMatrix::from_column_slice(8, 5, &entries);
            if is_twin {
                let first = matrix.column(0).into_owned();
                matrix.set_column(3, &(2.0 * first));
            }
            let target = DVector::from_column_slice(&target);
            let x = least_squares(&matrix, &target).unwrap();
            let fall = matrix.tr_mul(&(&target - &matrix * DVector::from_column_slice(&x)));
            for (x, fall) in x.iter().zip(fall.iter()) {
                prop_assert!(*x >= 0.0);
                prop_assert!(*fall < 1e-10, "{x} {fall}");
                prop_assert!(*x == 0.0 || fall.abs() < 1e-10, "{x} {fall}");
            }
        }
    }
}
