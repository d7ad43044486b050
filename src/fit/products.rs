//! Products of small square matrices, row-major. Knows nothing of fits.

/// `bread · filling · bread · factor`, all symmetric.
pub(super) fn sandwich(bread: &[f64], filling: &[f64], factor: f64) -> Vec<f64> {
    let mut result = multiply(&multiply(bread, filling), bread);
    for entry in &mut result {
        *entry *= factor;
    }
    result
}

fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    let n = a.len().isqrt();
    let entry = |at: usize| (0..n).map(|k| a[at / n * n + k] * b[k * n + at % n]).sum();
    (0..n * n).map(entry).collect()
}

/// `vᵀ·matrix·v`.
pub(super) fn quadratic(matrix: &[f64], v: &[f64]) -> f64 {
    let n = v.len();
    (0..n * n).map(|at| matrix[at] * v[at / n] * v[at % n]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand() {
        let (a, b) = ([2.0, 1.0, 1.0, 3.0], [1.0, 0.0, 0.0, 2.0]);
        assert_eq!(sandwich(&a, &b, 0.5), [3.0, 4.0, 4.0, 9.5]);
        assert_eq!(quadratic(&a, &[1.0, -2.0]), 10.0);
    }
}
