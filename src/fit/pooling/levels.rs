//! What the evidence can tell of each level's covariance, and what is done where it cannot.
//!
//! * A level in which every parent has one child (and no evidence of its own) says nothing apart
//!   from the level above: its children are their parents, the covariance is zero.
//! * A level tells a parameter's variance if some parent has two children that tell the parameter
//!   (or one, and evidence of its own). A level that does not tell every parameter is pooled with
//!   the nearest one that does: both have one covariance. If none does, all levels have one; the
//!   variance of a parameter that even they do not tell is assumed.
//! * A full covariance takes contrasts enough, otherwise it is diagonal.
//!
//! Knows no iteration.

use nalgebra::DMatrix;

use super::PoolError;
use super::evidence::Evidence;
use super::passes::Passes;
use super::tree::Tree;

/// Contrasts between children per parameter under which a full covariance would be mostly noise:
/// with one per parameter it would be singular.
const CONTRASTS_PER_PARAMETER: usize = 2;

/// Where the covariance of a level comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CovarianceSource {
    /// Estimated, all of it.
    Full,
    /// Estimated, without correlations.
    Diagonal,
    /// Estimated in part, without correlations; the rest assumed.
    Assumed,
    /// Zero: the level is the same as the one above.
    Collapsed,
}

impl CovarianceSource {
    /// The name in tables and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diagonal => "diagonal",
            Self::Assumed => "assumed",
            Self::Collapsed => "collapsed",
        }
    }
}

/// How the children of one level scatter about their parents.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelCovariance {
    /// Covariance Ω, on the scale of the fit.
    pub covariance: DMatrix<f64>,
    /// Where it comes from.
    pub source: CovarianceSource,
    /// Nodes of the level whose subtree has evidence.
    pub n_informed: usize,
    /// Contrasts between children of one parent, for the parameter with the fewest.
    pub n_contrasts: usize,
    /// Why it is not this level's own full covariance; empty where it is.
    pub reason: String,
}

/// Levels with one covariance.
#[derive(Debug)]
pub(super) struct Shared {
    /// Indices of levels, depth − 1.
    pub(super) levels: Vec<usize>,
    /// Whether correlations are estimated.
    pub(super) is_full: bool,
    /// Which standard deviations are assumed.
    pub(super) is_fixed: Vec<bool>,
    /// The factor L to start from, diagonal.
    pub(super) start: Vec<f64>,
}

/// What is to be estimated.
#[derive(Debug)]
pub(super) struct Plan {
    /// Groups of levels; a level in none of them has covariance zero.
    pub(super) shared: Vec<Shared>,
    /// Nodes with evidence in their subtree, per level.
    pub(super) n_informed: Vec<usize>,
    /// Contrasts per level and parameter.
    contrasts: Vec<Vec<usize>>,
}

/// Looks at the tree and its evidence.
pub(super) fn plan(
    tree: &Tree,
    evidence: &[Evidence],
    passes: &mut Passes<'_>,
    assumed: &[f64],
) -> Result<Plan, PoolError> {
    let (p, n_levels) = (passes.p, tree.n_levels());
    let typical = typical_deviations(evidence, p, assumed);
    passes.up(&vec![diagonal(&typical); n_levels]);
    check_told(tree, passes)?;
    let told: Vec<Vec<bool>> = (0..tree.n_nodes()).map(|node| told(passes, node)).collect();
    let contrasts = contrasts(tree, evidence, &told, p);
    let mut n_informed = vec![0; n_levels];
    for (node, _) in tree.edges() {
        n_informed[tree.depth(node) - 1] += usize::from(passes.is_informed[node]);
    }
    let kept: Vec<usize> = (0..n_levels).filter(|&l| !is_collapsed(tree, evidence, l)).collect();
    let is_able = |level: usize| contrasts[level].iter().all(|&n| n > 0);
    let able: Vec<usize> = kept.iter().copied().filter(|&level| is_able(level)).collect();
    let mut groups: Vec<Vec<usize>> = able.iter().map(|&level| vec![level]).collect();
    if able.is_empty() && !kept.is_empty() {
        groups.push(kept);
    } else {
        for level in kept.into_iter().filter(|&level| !is_able(level)) {
            // The deeper of two that are as near: it stands on more children.
            let nearest = (0..able.len())
                .min_by_key(|&g| 2 * able[g].abs_diff(level) + usize::from(able[g] < level));
            if let Some(group) = nearest.and_then(|g| groups.get_mut(g)) {
                group.push(level);
            }
        }
    }
    let shared = groups.into_iter().map(|levels| shared(levels, &contrasts, &typical, assumed));
    Ok(Plan { shared: shared.collect(), n_informed, contrasts })
}

fn shared(
    mut levels: Vec<usize>,
    contrasts: &[Vec<usize>],
    typical: &[f64],
    assumed: &[f64],
) -> Shared {
    levels.sort_unstable();
    let p = typical.len();
    let total = |j: usize| levels.iter().map(|&level| contrasts[level][j]).sum::<usize>();
    let is_fixed: Vec<bool> = (0..p).map(|j| total(j) == 0).collect();
    let is_full = (0..p).all(|j| total(j) >= CONTRASTS_PER_PARAMETER * p);
    let start: Vec<f64> =
        (0..p).map(|j| if is_fixed[j] { assumed[j] } else { typical[j] }).collect();
    Shared { levels, is_full, is_fixed, start: diagonal(&start) }
}

/// The standard deviation of each parameter, the others known, that the middle one of the pieces
/// of evidence leaves: of the right order, and in the parameter's unit.
fn typical_deviations(evidence: &[Evidence], p: usize, assumed: &[f64]) -> Vec<f64> {
    (0..p)
        .map(|j| {
            let mut precisions: Vec<f64> =
                evidence.iter().map(|e| e.diagonal(j)).filter(|&d| d > 0.0).collect();
            precisions.sort_unstable_by(f64::total_cmp);
            precisions.get(precisions.len() / 2).map_or(assumed[j], |&d| d.sqrt().recip())
        })
        .collect()
}

fn diagonal(entries: &[f64]) -> Vec<f64> {
    let p = entries.len();
    (0..p * p).map(|k| if k / p == k % p { entries[k / p] } else { 0.0 }).collect()
}

fn told(passes: &Passes<'_>, node: usize) -> Vec<bool> {
    if !passes.is_informed[node] {
        return vec![false; passes.p];
    }
    Evidence::of_rows(passes.inside(node).to_vec(), passes.p).told()
}

/// An error where all evidence together leaves a parameter open; after the pass up.
pub(super) fn check_told(tree: &Tree, passes: &Passes<'_>) -> Result<(), PoolError> {
    let told = told(passes, tree.root());
    let parameters: Vec<usize> = (0..told.len()).filter(|&j| !told[j]).collect();
    if parameters.is_empty() { Ok(()) } else { Err(PoolError::NotTold { parameters }) }
}

/// Per level and parameter: children that tell it, less one for each parent that has such and
/// does not tell it by evidence of its own.
fn contrasts(tree: &Tree, evidence: &[Evidence], told: &[Vec<bool>], p: usize) -> Vec<Vec<usize>> {
    let mut contrasts = vec![vec![0; p]; tree.n_levels()];
    for &parent in tree.order() {
        let children = tree.children(parent);
        if children.is_empty() {
            continue;
        }
        let own = evidence[parent].told();
        let level = &mut contrasts[tree.depth(parent)];
        for j in 0..p {
            let n = children.iter().filter(|&&child| told[child][j]).count();
            level[j] += if own[j] { n } else { n.saturating_sub(1) };
        }
    }
    contrasts
}

/// Whether the children at depth `level + 1` cannot be told from their parents.
fn is_collapsed(tree: &Tree, evidence: &[Evidence], level: usize) -> bool {
    let mut parents = tree.order().iter().filter(|&&node| tree.depth(node) == level);
    parents.all(|&parent| tree.children(parent).len() <= 1 && evidence[parent].is_none())
}

/// Covariances with their sources, in words.
pub(super) fn describe(plan: &Plan, factors: &[Vec<f64>], p: usize) -> Vec<LevelCovariance> {
    (0..factors.len())
        .map(|level| {
            let factor = DMatrix::from_row_slice(p, p, &factors[level]);
            let shared = plan.shared.iter().find(|shared| shared.levels.contains(&level));
            let source = match shared {
                None => CovarianceSource::Collapsed,
                Some(shared) if shared.is_fixed.contains(&true) => CovarianceSource::Assumed,
                Some(shared) if shared.is_full => CovarianceSource::Full,
                Some(_) => CovarianceSource::Diagonal,
            };
            let n_contrasts = plan.contrasts[level].iter().copied().min().unwrap_or(0);
            LevelCovariance {
                covariance: &factor * factor.transpose(),
                source,
                n_informed: plan.n_informed[level],
                n_contrasts,
                reason: reason(level, source, n_contrasts, shared),
            }
        })
        .collect()
}

fn reason(
    level: usize,
    source: CovarianceSource,
    n_contrasts: usize,
    shared: Option<&Shared>,
) -> String {
    let mut parts = Vec::new();
    let others: Vec<String> = (shared.map(|s| s.levels.as_slice()).unwrap_or_default().iter())
        .filter(|&&other| other != level)
        .map(|other| (other + 1).to_string())
        .collect();
    if !others.is_empty() && n_contrasts == 0 {
        parts.push(format!(
            "too few children of one parent tell every parameter: pooled with level {}",
            others.join(", ")
        ));
    } else if !others.is_empty() {
        parts.push(format!("shared with level {}, which cannot tell its own", others.join(", ")));
    }
    match source {
        CovarianceSource::Full => {}
        CovarianceSource::Diagonal => {
            parts.push("too few children to tell correlations: taken as zero".to_owned());
        }
        CovarianceSource::Assumed => {
            let fixed = shared.map(|s| s.is_fixed.as_slice()).unwrap_or_default();
            let names: Vec<String> =
                (0..fixed.len()).filter(|&j| fixed[j]).map(|j| j.to_string()).collect();
            parts.push(format!(
                "no two children of one parent tell parameter {}: deviation assumed",
                names.join(", ")
            ));
        }
        CovarianceSource::Collapsed => {
            parts.push("every parent has one child: the same as the level above".to_owned());
        }
    }
    parts.join("; ")
}
