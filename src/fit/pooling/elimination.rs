//! Small orthogonal eliminations on square roots of information, and triangular factors.
//!
//! What is known of a vector x is kept as rows `[R, z]`, standing for the sum of squares
//! `‖R·x − z‖²`. Rows are only ever rotated, never squared and never inverted: R may be singular,
//! and so may every covariance. Matrices are row-major slices. Knows no tree.
//!
//! Source: Bierman, Factorization Methods for Discrete Sequential Estimation (1977).

/// Most parameters of a node: the models have fewer, and cost grows with their cube.
pub(super) const MAX_PARAMETERS: usize = 8;

/// Squared lengths below this count as zero: their products would underflow.
const NEGLIGIBLE: f64 = 1e-290;

/// Pivots below this share of the diagonal they started from are rounding.
const ROUNDING: f64 = 1e-14;

/// Rotates the rows of `block` into the first `n_pivots` rows of the triangle `top`; both have
/// `width` columns. What is left in the block is zero in its first `n_pivots` columns.
///
/// Rotations of two rows, not reflections of all: where the rows of the block are vast and those of
/// the triangle are not, what is left is small, and a reflection would find it as a difference.
pub(super) fn fold(top: &mut [f64], block: &mut [f64], width: usize, n_pivots: usize) {
    for row in block.chunks_exact_mut(width) {
        for (j, pivots) in top.chunks_exact_mut(width).enumerate().take(n_pivots) {
            let (pivot, lead) = (pivots[j], std::mem::take(&mut row[j]));
            if lead * lead < NEGLIGIBLE {
                continue;
            }
            let norm = (pivot * pivot + lead * lead).sqrt();
            let (cosine, sine) = (pivot / norm, lead / norm);
            pivots[j] = norm;
            for (t, r) in pivots[j + 1..].iter_mut().zip(&mut row[j + 1..]) {
                (*t, *r) = (cosine * *t + sine * *r, cosine * *r - sine * *t);
            }
        }
    }
}

/// From rows on x to rows on y = x − L·w, with w standard normal.
///
/// `rows` is `p × (p + 1)`, `factor` is L. `top` becomes `[T, S, s]` with `T·w + S·y = s + ε`, ε
/// standard normal: w given y. The rows on y, not triangular, go to `message`. Since w is
/// symmetric the same serves x = y − L·w.
pub(super) fn carry(
    rows: &[f64],
    factor: &[f64],
    top: &mut [f64],
    block: &mut [f64],
    message: &mut [f64],
) {
    let p = message.len().isqrt();
    let width = 2 * p + 1;
    top.fill(0.0);
    for j in 0..p {
        top[j * width + j] = 1.0;
    }
    for (out, row) in block.chunks_exact_mut(width).zip(rows.chunks_exact(p + 1)) {
        let (by_step, rest) = out.split_at_mut(p);
        by_step.fill(0.0);
        for (r, line) in row.iter().zip(factor.chunks_exact(p)) {
            add_scaled(by_step, *r, line);
        }
        rest.copy_from_slice(row);
    }
    fold(top, block, width, p);
    for (out, row) in message.chunks_exact_mut(p + 1).zip(block.chunks_exact(width)) {
        out.copy_from_slice(&row[p..]);
    }
}

/// `target += factor · source`.
pub(super) fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (t, s) in target.iter_mut().zip(source) {
        *t += factor * s;
    }
}

/// Solves `U·X = B` in place for an upper triangle U of `width` columns, B of `n` columns.
pub(super) fn solve_upper(upper: &[f64], width: usize, rhs: &mut [f64], n: usize) {
    let p = rhs.len() / n;
    for j in (0..p).rev() {
        let (above, rest) = rhs.split_at_mut(j * n);
        let row = &mut rest[..n];
        row.iter_mut().for_each(|x| *x /= upper[j * width + j]);
        for (i, other) in above.chunks_exact_mut(n).enumerate() {
            add_scaled(other, -upper[i * width + j], row);
        }
    }
}

/// The lower triangle L with `L·Lᵀ = matrix` for a positive semidefinite matrix of order `p`;
/// columns of pivots that are rounding are zero. `None` where the matrix is not semidefinite.
pub(super) fn semidefinite_factor(matrix: &[f64], p: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; p * p];
    for j in 0..p {
        let dot = |lower: &[f64], i: usize| -> f64 {
            (0..j).map(|k| lower[i * p + k] * lower[j * p + k]).sum()
        };
        let (diagonal, pivot) = (matrix[j * p + j], matrix[j * p + j] - dot(&lower, j));
        // Written so that a pivot that is not a number is refused.
        if !(diagonal >= 0.0 && pivot >= -1e6 * ROUNDING * diagonal && diagonal.is_finite()) {
            return None;
        }
        if pivot <= ROUNDING * diagonal {
            continue;
        }
        lower[j * p + j] = pivot.sqrt();
        for i in j + 1..p {
            lower[i * p + j] = (matrix[i * p + j] - dot(&lower, i)) / lower[j * p + j];
        }
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semidefinite_matrices_have_a_factor() {
        let factor = semidefinite_factor(&[4.0, 2.0, 2.0, 1.0], 2).unwrap();
        assert_eq!(factor, vec![2.0, 0.0, 1.0, 0.0]);
        assert_eq!(semidefinite_factor(&[0.0; 4], 2).unwrap(), vec![0.0; 4]);
        assert_eq!(semidefinite_factor(&[1.0, 2.0, 2.0, 1.0], 2), None);
        assert_eq!(semidefinite_factor(&[-1.0], 1), None);
        assert_eq!(semidefinite_factor(&[f64::NAN], 1), None);
    }

    /// (1/P + Ω)⁻¹ with P = 4 and Ω = 0.75 is 1.
    #[test]
    fn information_passes_through_a_covariance() {
        let (mut top, mut block, mut message) = ([0.0; 3], [0.0; 3], [0.0; 2]);
        carry(&[2.0, 6.0], &[0.75f64.sqrt()], &mut top, &mut block, &mut message);
        assert!((message[0].powi(2) - 1.0).abs() < 1e-15, "{message:?}");
        assert!((message[1] / message[0] - 3.0).abs() < 1e-15, "{message:?}");
        assert!((top[0].powi(2) - 4.0).abs() < 1e-15, "{top:?}");
    }

    #[test]
    fn a_vast_precision_and_a_tiny_covariance_lose_nothing() {
        for (r, omega) in [(1e9, 1e-4), (1e-9, 1e4), (1e12, 1.0), (1.0, 1e-24), (0.0, 1.0)] {
            let (mut top, mut block, mut message) = ([0.0; 3], [0.0; 3], [0.0; 2]);
            carry(&[r, r], &[f64::sqrt(omega)], &mut top, &mut block, &mut message);
            let expected = r * r / (1.0 + r * r * omega);
            assert!((message[0].powi(2) - expected).abs() <= 1e-14 * expected, "{r} {omega}");
        }
    }

    #[test]
    fn triangular_systems_are_solved() {
        let mut rhs = [5.0, 1.0, 8.0, 4.0];
        solve_upper(&[1.0, 2.0, 9.0, 0.0, 4.0, 9.0], 3, &mut rhs, 2);
        assert_eq!(rhs, [1.0, -1.0, 2.0, 1.0]);
    }
}
