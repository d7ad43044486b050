//! Digits reached on NIST's nonlinear regressions, from the definitions that the tests use.

#[path = "../../tests/it/nist/dataset.rs"]
mod dataset;
#[path = "../../tests/it/nist/functions.rs"]
mod functions;
#[path = "../../tests/it/nist/study.rs"]
mod study;

use std::fmt::Write as _;
use std::path::Path;

use speedfit::fit::FitOptions;
use study::{Problem, SOLVED_DIGITS, Solution};

/// One kind of digits.
type Count = fn(&Solution) -> f64;

const HEAD: &str = "\
| problem | level | start | parameters | standard deviations | sum of squares | iterations | evaluations | ended |
|---|---|--:|--:|--:|--:|--:|--:|---|
";

/// The table of all problems from both starts; wants the folder with NIST's files.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let [folder] = arguments else {
        return Err("nist: name the folder with the .dat files".to_owned());
    };
    let problems = Problem::read_all(Path::new(folder))?;
    let mut text = HEAD.to_owned();
    let mut solutions = Vec::new();
    for (problem, which) in problems.iter().flat_map(|p| [(p, 0), (p, 1)]) {
        let solution = problem.solve(which);
        text.push_str(&row(problem, which, &solution));
        solutions.push(solution);
    }
    text.push('\n');
    text.push_str(&summary(&solutions));
    Ok(text)
}

fn row(problem: &Problem, which: usize, solution: &Solution) -> String {
    let Solution { parameters, deviations, ssr, minimum, .. } = solution;
    format!(
        "| {} | {} | {} | {parameters:.1} | {deviations:.1} | {ssr:.1} | {} | {} | {} |\n",
        problem.name(),
        problem.dataset.difficulty,
        which + 1,
        minimum.n_iterations,
        minimum.n_evaluations,
        minimum.termination,
    )
}

fn summary(solutions: &[Solution]) -> String {
    let n_solved = solutions.iter().filter(|s| s.parameters >= SOLVED_DIGITS).count();
    let limit = FitOptions::default().max_iterations;
    let n_long = solutions.iter().filter(|s| s.minimum.n_iterations > limit).count();
    let mut text = format!(
        "Solved {n_solved} of {}, {n_long} of them after more than {limit} iterations.\n\n\
         | digits of | mean | least |\n|---|--:|--:|\n",
        solutions.len()
    );
    let counts: [(&str, Count); 4] = [
        ("parameters", |s| s.parameters),
        ("standard deviations", |s| s.deviations),
        ("residual sum of squares", |s| s.ssr),
        ("residual standard deviation", |s| s.sigma),
    ];
    for (name, count) in counts {
        let mean = solutions.iter().map(count).sum::<f64>() / solutions.len() as f64;
        let least = solutions.iter().map(count).fold(f64::INFINITY, f64::min);
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {name} | {mean:.2} | {least:.2} |");
    }
    text
}
