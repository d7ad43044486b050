"""Reference fits by SciPy and statsmodels, for the tests to compare with.

Fits the clean London file per borough and as a whole (`*ALL*`) and writes three tables of results,
never of records, to a folder:

    least_squares.csv  every model by least squares on ln T (T in minutes)
    robust.csv         huber, soft_l1, cauchy and tukey losses at a fixed scale
    likelihood.csv     Student's t, constant spread; on the whole also Budge's spread

    python3 -m venv venv && venv/bin/pip install numpy scipy statsmodels mpmath
    venv/bin/python scripts/reference_fits.py lfb_incidents_2017.clean.csv.gz tests/it/golden

Every fit is done twice. First by the library in double precision, from every dip of the profile
over the knot: `least_squares` with the loss (`RLM` for `power` with huber and tukey), `minimize` on
the likelihood with SciPy's differences. Then by Newton's method on the gradient in 80-bit numbers,
from where the library ended. The second is written; `digits_*` say how far the two agree in the
objective and in the worst parameter, and how far `curve_fit` or `OLS` agree in standard errors.

Scales of ln T: `c` is what residuals are divided by in a robust loss, `tuning` times `scale`, and
`scale` is 1.4826 times the median of the absolute residuals of the least-squares fit of the same
model. Its objective is c^2 * sum(rho((r/c)^2)), rho as SciPy defines it, and for tukey
rho(z) = (1 - (1-z)^3)/3 up to z = 1. The objective of least squares is the sum of squares; of a
likelihood it is the log-likelihood of ln T, and `log_likelihood_s` that of T in seconds.

Standard errors: least squares sigma^2 (J'J)^-1 with n less the determined parameters; robust
n/(n-p) A^-1 B A^-1, A the sum of psi' g g' and B that of psi^2 g g', g the derivatives of ln T;
likelihood the inverse of the observed information, second derivatives of the log-likelihood. A
curve with a knot makes these jump where a record passes the knot: `std_error` has them over a tenth
of the expected standard error to either side, `error_local` at the very maximum. Parameters at a
bound are taken as known. `error_log` is the standard error of the natural logarithm.
"""

import csv
import gzip
import math
import platform
import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import mpmath
import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy.optimize import curve_fit, least_squares, minimize
from scipy.special import gammaln

ALL = "*ALL*"
TUNING = {"huber": 1.345, "soft_l1": 1.2871, "cauchy": 2.3849, "tukey": 4.685}
LD = np.longdouble
DOF_LIMIT = 1e3
# Half-width of an interval on the logarithm from which on a parameter counts as not identified.
OPEN = 50

# Name, unit and scale of each parameter: published = factor * exp(internal), or internal.
V = ("cruise_speed_kmh", 60.0)
A = ("acceleration_km_min2", 1.0)
T0 = ("intercept_min", None)
PARAMETERS = {
    "constant": [V],
    "linear": [T0, V],
    "power": [("power_coefficient", 1.0), ("power_exponent", None)],
    "sqrt": [("sqrt_coefficient_min", 1.0)],
    "kwh": [A, V],
    "kwh_intercept": [T0, A, V],
}
LOWER = {"intercept_min": 0.0, "power_exponent": 1e-3, "spread_b0": 0.0}
UPPER = {"power_exponent": 1.0}


@dataclass
class Trips:
    """Distances (km), their logarithms and ln T (min), in two precisions."""

    km: dict = field(default_factory=dict)
    ln_km: dict = field(default_factory=dict)
    ln_t: dict = field(default_factory=dict)

    @classmethod
    def of(cls, rows):
        rows = np.array(sorted(rows))
        trips = cls()
        for kind in (np.float64, LD):
            km, s = rows[:, 0].astype(kind), rows[:, 1].astype(kind)
            trips.km[kind], trips.ln_km[kind] = km, np.log(km)
            trips.ln_t[kind] = np.log(s / kind(60))
        return trips

    @property
    def n(self):
        return len(self.km[LD])


def read(path):
    regions = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            regions[row["region"]].append((float(row["distance_km"]), float(row["travel_time_s"])))
    regions[ALL] = [row for rows in regions.values() for row in rows]
    return {name: Trips.of(rows) for name, rows in sorted(regions.items())}


def moving(d, ln_a, ln_v):
    """KWH's time and its derivatives by ln a and ln v."""
    s, knot = np.exp(ln_v - ln_a), np.exp(2 * ln_v - ln_a)
    root, ride = 2 * np.sqrt(d / np.exp(ln_a)), d / np.exp(ln_v)
    short = d <= knot
    return (np.where(short, root, s + ride), np.where(short, -root / 2, -s),
            np.where(short, 0 * d, s - ride))


def median(model, x, trips, kind):
    """ln of the median time (min), and its derivatives by the internal parameters, as columns."""
    d, ln_d = trips.km[kind], trips.ln_km[kind]
    one = np.ones_like(d)
    if model == "constant":
        return ln_d - x[0], [-one]
    if model == "power":
        return x[0] + x[1] * ln_d, [one, ln_d]
    if model == "sqrt":
        return x[0] + ln_d / 2, [one]
    if model == "linear":
        ride = d / np.exp(x[1])
        time = x[0] + ride
        return np.log(time), [one / time, -ride / time]
    if model == "kwh":
        time, by_a, by_v = moving(d, *x)
        return np.log(time), [by_a / time, by_v / time]
    time, by_a, by_v = moving(d, *x[1:])
    time = x[0] + time
    return np.log(time), [one / time, by_a / time, by_v / time]


def rho(loss, z):
    """SciPy's losses of the squared residual with their first and second derivatives."""
    if loss == "linear":
        return z, np.ones_like(z), np.zeros_like(z)
    if loss == "huber":
        far = z > 1
        root = np.sqrt(np.where(far, z, 1))
        return (np.where(far, 2 * root - 1, z), np.where(far, 1 / root, 1),
                np.where(far, -1 / (2 * root**3), 0))
    if loss == "soft_l1":
        root = np.sqrt(1 + z)
        return 2 * (root - 1), 1 / root, -1 / (2 * root**3)
    if loss == "cauchy":
        return np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2
    left = np.where(z < 1, 1 - z, 0)
    return (1 - left**3) / 3, left**2, -2 * left


class Robust:
    """c^2 * sum(rho(r^2/c^2)); with the linear loss the sum of squares."""

    def __init__(self, trips, model, loss="linear", c=1.0):
        self.trips, self.model, self.loss, self.c = trips, model, loss, c
        self.names = [name for name, _ in PARAMETERS[model]]

    def residuals(self, x, kind=np.float64):
        ln_m, columns = median(self.model, x, self.trips, kind)
        return ln_m - self.trips.ln_t[kind], columns

    def cost(self, x, kind=LD):
        r, _ = self.residuals(x, kind)
        c = kind(self.c)
        return c * c * rho(self.loss, (r / c) ** 2)[0].sum()

    def scores(self, x):
        r, columns = self.residuals(x, LD)
        weight = rho(self.loss, (r / LD(self.c)) ** 2)[1]
        return [2 * weight * r * column for column in columns]

    def curvature(self, x):
        """Second derivatives of the losses by their residuals, and the residuals' derivatives."""
        r, columns = self.residuals(x, LD)
        z = (r / LD(self.c)) ** 2
        _, first, second = rho(self.loss, z)
        return 2 * first + 4 * z * second, columns

    def gradient(self, x):
        return np.array([score.sum() for score in self.scores(x)])

    def library(self, starts, fixed):
        """The best of `least_squares` from all starts."""
        free = [j for j in range(len(self.names)) if j not in fixed]
        full = filled(fixed, len(self.names))
        low = [LOWER.get(self.names[j], -np.inf) for j in free]
        high = [UPPER.get(self.names[j], np.inf) for j in free]
        loss = self.loss if self.loss != "tukey" else lambda z: np.array(rho("tukey", z))
        found = []
        for start in starts:
            x0 = np.clip([start[j] for j in free], np.array(low) + 1e-9, high)
            found.append(least_squares(
                lambda x: self.residuals(full(x))[0], x0,
                lambda x: np.column_stack([self.residuals(full(x))[1][j] for j in free]),
                bounds=(low, high), loss=loss, f_scale=self.c, x_scale="jac",
                ftol=1e-15, xtol=1e-15, gtol=1e-15, max_nfev=200))
        best = min(found, key=lambda result: result.cost)
        return full(best.x)


class Likelihood:
    """-log-likelihood of ln T; dof None: estimated, in its logarithm; inf: normal."""

    def __init__(self, trips, model, spread="constant", dof=None):
        self.trips, self.model, self.spread, self.dof = trips, model, spread, dof
        self.n_model = len(PARAMETERS[model])
        budge = ["spread_b0", "spread_b1", "spread_b2"]
        of_spread = ["sigma_log"] if spread == "constant" else budge
        self.names = [name for name, _ in PARAMETERS[model]] + of_spread
        if dof is None:
            self.names.append("tail_dof")

    def parts(self, x, kind):
        """Residual, ln c, derivatives of ln m and of ln c by ln m and by the spread, dof."""
        ln_m, columns = median(self.model, x[: self.n_model], self.trips, kind)
        dof = kind(self.dof) if self.dof is not None else np.exp(x[-1])
        if self.spread == "constant":
            ln_c = x[self.n_model] + 0 * ln_m
            return ln_m, ln_c, columns, 0 * ln_m, [1 + 0 * ln_m], dof
        b0, b1, b2 = x[self.n_model : self.n_model + 3]
        u = np.exp(-ln_m)
        head = b0 * u * u + b1 * u
        variance = head * (b2 + 1) + b2
        by_median = -(2 * b0 * u * u + b1 * u) * (b2 + 1) / (2 * variance)
        by_spread = [u * u * (b2 + 1), u * (b2 + 1), head + 1]
        by_spread = [column / (2 * variance) for column in by_spread]
        return ln_m, np.log(variance) / 2, columns, by_median, by_spread, dof

    def cost(self, x, kind=LD):
        ln_m, ln_c, *_, dof = self.parts(x, kind)
        z = (ln_m - self.trips.ln_t[kind]) * np.exp(-ln_c)
        if np.isinf(dof):
            return (z * z / 2 + ln_c).sum() + self.trips.n * kind(math.log(2 * math.pi) / 2)
        ln_peak = special(dof, lambda v: mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2)
                          - mpmath.log(v * mpmath.pi) / 2)
        return ((dof + 1) / 2 * np.log1p(z * z / dof) + ln_c).sum() - self.trips.n * kind(ln_peak)

    def by_library(self, x):
        """The same in double precision, from SciPy's special functions."""
        with np.errstate(all="ignore"):
            ln_m, ln_c, *_, dof = self.parts(x, np.float64)
            z = (ln_m - self.trips.ln_t[np.float64]) * np.exp(-ln_c)
            if np.isinf(dof):
                bent, ln_peak = z * z / 2, -math.log(2 * math.pi) / 2
            else:
                bent = (dof + 1) / 2 * np.log1p(z * z / dof)
                ln_peak = gammaln((dof + 1) / 2) - gammaln(dof / 2) - math.log(dof * math.pi) / 2
            value = (ln_c + bent).sum() - self.trips.n * ln_peak
        return value if np.isfinite(value) else 1e12

    def scores(self, x):
        ln_m, ln_c, columns, by_median, by_spread, dof = self.parts(x, LD)
        z = (ln_m - self.trips.ln_t[LD]) * np.exp(-ln_c)
        omega = 1 + 0 * z if np.isinf(dof) else (dof + 1) / (dof + z * z)
        by_scale = 1 - omega * z * z
        by_ln_m = omega * z * np.exp(-ln_c) + by_scale * by_median
        scores = [by_ln_m * column for column in columns]
        scores += [by_scale * column for column in by_spread]
        if self.dof is None:
            slope = special(dof, lambda v: (mpmath.digamma((v + 1) / 2) - mpmath.digamma(v / 2)
                                            - 1 / v) / 2)
            q = np.log1p(z * z / dof) / 2 - omega * z * z / dof / 2
            scores.append(dof * (q - slope))
        return scores

    def expected(self, x):
        """The expected information (Lange, Little and Taylor, 1989), dof in its logarithm."""
        ln_m, ln_c, columns, by_median, by_spread, dof = self.parts(x, LD)
        n_tail = int(self.dof is None)
        zero = 0 * ln_m
        place = columns + [zero] * (len(by_spread) + n_tail)
        scale = [by_median * column for column in columns] + by_spread + [zero] * n_tail
        tau = mpmath.mpf("1e30") if np.isinf(dof) else mpmath.mpf(np.format_float_scientific(dof))
        of_place, of_scale = LD(float((tau + 1) / (tau + 3))), LD(float(2 * tau / (tau + 3)))
        weighted = [column * np.exp(-2 * ln_c) for column in place]
        matrix = of_place * gram(weighted, place) + of_scale * gram(scale)
        if n_tail:
            tail = (mpmath.polygamma(1, tau / 2) - mpmath.polygamma(1, (tau + 1) / 2)
                    - 2 * (tau + 5) / (tau * (tau + 1) * (tau + 3))) / 4
            cross = -2 / ((tau + 1) * (tau + 3))
            across = [LD(float(tau * cross)) * column.sum() for column in scale]
            matrix[-1, :] = matrix[:, -1] = across
            matrix[-1, -1] = self.trips.n * LD(float(tau * tau * tail))
        return matrix

    def gradient(self, x):
        return np.array([score.sum() for score in self.scores(x)])

    def library(self, starts, fixed):
        """The best of quasi-Newton from all starts, gradients by SciPy's differences."""
        free = [j for j in range(len(self.names)) if j not in fixed]
        full = filled(fixed, len(self.names))
        bounds = [(LOWER.get(self.names[j]), UPPER.get(self.names[j])) for j in free]
        found = []
        for start in starts:
            x = np.array([start[j] for j in free], dtype=float)
            for method, options in (("L-BFGS-B", {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500}),
                                    ("BFGS", {"gtol": 1e-7})):
                kept = bounds if method == "L-BFGS-B" else None
                result = minimize(lambda x: self.by_library(full(x)), x, jac="3-point",
                                  method=method, bounds=kept, options=options)
                inside = all((b[0] is None or v >= b[0]) for v, b in zip(result.x, bounds))
                if inside:
                    found.append(result)
                    x = result.x
        best = min(found, key=lambda result: result.fun)
        return full(best.x)


def special(dof, function):
    """A function of the degrees of freedom alone, to 30 digits."""
    with mpmath.workdps(30):
        at = mpmath.mpf(np.format_float_scientific(dof, precision=21))
        return LD(mpmath.nstr(function(at), 24))


def filled(fixed, n):
    free = [j for j in range(n) if j not in fixed]

    def full(x):
        whole = np.zeros(n, dtype=np.asarray(x).dtype)
        whole[free] = x
        for j, value in fixed.items():
            whole[j] = value
        return whole

    return full


def hessian(problem, x, free, relative=1e-6):
    """Second derivatives by central differences of the gradient in 80-bit numbers."""
    h = np.zeros((len(free), len(free)), dtype=LD)
    for k, j in enumerate(free):
        width = LD(relative) * max(abs(x[j]), LD(1e-3))
        low, high = x.copy(), x.copy()
        low[j], high[j] = x[j] - width, x[j] + width
        column = (problem.gradient(high) - problem.gradient(low)) / (high[j] - low[j])
        h[:, k] = column[free]
    return (h + h.T) / 2


def averaged(problem, x, free):
    """Second derivatives over a tenth of the expected standard error to either side, dof as 1/dof;
    its inverse, dof in the logarithm again. The expected ones where they are not positive."""
    expected = inverse(problem.expected(x)[np.ix_(free, free)])
    tail = len(x) - 1 if problem.dof is None else -1
    unit = np.array([LD(1) if j != tail else -np.exp(-x[j]) for j in free])
    h = np.zeros((len(free), len(free)), dtype=LD)
    for k, j in enumerate(free):
        width = LD("0.1") * np.sqrt(expected[k, k]) * abs(unit[k])
        ends = []
        for side in (-width, width):
            moved = x.copy()
            at = np.exp(-x[j]) if j == tail else x[j]
            at = max(at + side, LOWER.get(problem.names[j], -np.inf))
            moved[j] = -np.log(at) if j == tail else at
            of_moved = np.array([LD(1) if i != tail else -np.exp(-moved[i]) for i in free])
            ends.append((at, problem.gradient(moved)[free] / of_moved))
        h[:, k] = (ends[1][1] - ends[0][1]) / (ends[1][0] - ends[0][0])
    h = (h + h.T) / 2 * np.outer(unit, unit)
    sizes = np.sqrt(abs(np.diag(h))).astype(float)
    is_positive = np.linalg.eigvalsh(h.astype(float) / np.outer(sizes, sizes))[0] > 1e-12
    return inverse(h) if is_positive else expected


def inverse(matrix):
    """Inverse of a small symmetric matrix to 40 digits."""
    n = len(matrix)
    with mpmath.workdps(40):
        exact = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                exact[i, j] = mpmath.mpf(np.format_float_scientific(matrix[i, j], precision=21))
        exact = exact**-1
        return np.array([[LD(mpmath.nstr(exact[i, j], 24)) for j in range(n)] for i in range(n)])


def polish(problem, x, fixed):
    """Newton's method on the gradient; the step is halved while the gradient does not shrink."""
    x = np.array(x, dtype=LD)
    free = [j for j in range(len(x)) if j not in fixed]
    for _ in range(40):
        gradient = problem.gradient(x)[free]
        inverted = inverse(hessian(problem, x, free, 1e-8))
        step = -(inverted @ gradient)
        size = gradient @ inverted @ gradient
        for halvings in range(30):
            moved = x.copy()
            moved[free] += step / LD(2) ** halvings
            after = problem.gradient(moved)[free]
            if abs(after @ inverted @ after) < abs(size):
                break
        else:
            break
        x = moved
    return x, float(abs(size))


def digits(found, expected):
    """Digits to which numbers agree; the worst pair counts."""
    pairs = zip(np.atleast_1d(found), np.atleast_1d(expected))
    errors = [abs(a - b) / abs(b) if b != 0 else abs(a) for a, b in pairs]
    return min(16.0, -math.log10(max(max(map(float, errors)), 1e-16)))


def knots(trips):
    """Places for a knot: even in the logarithm, and between any two of the longest trips."""
    d = np.unique(trips.km[np.float64])
    between = np.sqrt(d[-40:-1] * d[-39:])
    return np.unique([*np.geomspace(0.5 * d[0], d[-1], 80), *between, 1.05 * d[-1]])


def weights(problem, r):
    """What an iteration of reweighting gives each residual, and the objective's share of them."""
    if isinstance(problem, Robust):
        value, slope, _ = rho(problem.loss, (r / problem.c) ** 2)
        return slope, value.sum()
    dof = 4.0 if problem.dof is None else problem.dof
    if math.isinf(dof):
        return np.ones_like(r), len(r) / 2 * math.log((r * r).mean())
    sigma = np.median(abs(r))
    for _ in range(20):
        omega = (dof + 1) / (dof + (r / sigma) ** 2)
        sigma = math.sqrt((omega * r * r).mean())
    value = (dof + 1) / 2 * np.log1p((r / sigma) ** 2 / dof).sum() + len(r) * math.log(sigma)
    return omega, value


def profile(problem, knot, t0, ln_s):
    """Objective, intercept and scale at a fixed knot, by reweighted Gauss-Newton steps."""
    d, ln_t = problem.trips.km[np.float64], problem.trips.ln_t[np.float64]
    x = d / knot
    shape = np.where(x <= 1, 2 * np.sqrt(x), 1 + x)
    for _ in range(12):
        time = t0 + math.exp(ln_s) * shape
        r = ln_t - np.log(time)
        weight, value = weights(problem, r)
        by_s = math.exp(ln_s) * shape / time
        if problem.model == "kwh":
            ln_s += (weight * r).sum() / weight.sum()
            continue
        root = np.sqrt(weight)
        design = np.column_stack([root / time, root * by_s])
        step = np.linalg.lstsq(design, root * r, rcond=1e-10)[0]
        t0, ln_s = max(0.0, t0 + np.clip(step[0], -2, 2)), ln_s + np.clip(step[1], -1, 1)
    return value, t0, ln_s


def starts(problem):
    """Starts of the model's internal parameters: where the profile over the knot has minima."""
    model, trips = problem.model, problem.trips
    if model in ("constant", "sqrt"):
        return [[0.0]]
    if model == "power":
        return [[1.0, 0.5]]
    if model == "linear":
        return [[t0, math.log(0.5)] for t0 in (0.5, 2.0)]
    found, t0, ln_s = [], 0.0, 1.0
    for knot in knots(trips):
        value, t0, ln_s = profile(problem, knot, t0, ln_s)
        # s = v/a and knot = v^2/a.
        x = [math.log(knot) - 2 * ln_s, math.log(knot) - ln_s]
        found.append((value, [t0, *x] if model == "kwh_intercept" else x))
    at = [value for value, _ in found]
    ends = [math.inf, *at, math.inf]
    lows = [found[k] for k in range(len(at)) if ends[k] >= at[k] <= ends[k + 2]]
    return [x for _, x in sorted(lows)[:4]]


def flat_directions(problem, x):
    """Parameters that the median's derivatives do not tell apart, and those to hold for it."""
    x = np.array(x, dtype=float)
    columns = np.column_stack(median(problem.model, x, problem.trips, np.float64)[1])
    lengths = np.sqrt((columns**2).sum(axis=0))
    # Of so short a column the interval would be open by far.
    columns[:, lengths < 1e-7 * lengths.max()] = 0
    _, values, directions = np.linalg.svd(
        columns / np.where(lengths > 0, lengths, 1), full_matrices=False)
    unclear, held = set(), set()
    for value, direction in zip(values, directions):
        if value < 1e-10 * values[0]:
            part = {k for k in range(len(direction)) if abs(direction[k]) > 1e-6}
            unclear |= part
            held.add(max(part - held, key=lambda k: abs(direction[k])))
    return unclear, held


def minimum(problem, begin):
    """Library's and polished minimum, the parameters at a bound, and those without effect with
    the ones that are held for it."""
    fixed = {}
    library = problem.library(begin, fixed)
    n_model = len(PARAMETERS[problem.model])
    unclear, held = flat_directions(problem, library[:n_model])
    for j, name in enumerate(problem.names):
        for bound in (LOWER.get(name), UPPER.get(name)):
            if j not in unclear and bound is not None and abs(library[j] - bound) < 1e-5:
                fixed[j] = bound
    if fixed:
        library = problem.library([library], fixed)
    if problem.model.startswith("kwh") and held == {n_model - 1}:
        # No trip reaches the cruise speed: the speed at the end of the longest, as is published.
        ln_longest = problem.trips.ln_km[np.float64][-1]
        for _ in range(5):
            library[n_model - 1] = (library[n_model - 2] + ln_longest) / 2 + 1e-15
            polished, _ = polish(problem, library, fixed | {n_model - 1: library[n_model - 1]})
            library[n_model - 2] = polished[n_model - 2]
    polished, size = polish(problem, library, fixed | {j: library[j] for j in held})
    for j in fixed:
        # Inwards the objective must rise.
        at_lower = fixed[j] == LOWER.get(problem.names[j])
        slope = problem.gradient(polished)[j]
        assert slope > 0 if at_lower else slope < 0, (problem.names[j], slope)
    cost = problem.cost(polished)
    assert size < 1e-20 * abs(float(cost)) + 1e-24, (problem.names, size)
    assert cost - problem.cost(np.array(library, dtype=LD)) <= 1e-15 * abs(cost)
    return library, polished, set(fixed), unclear, held


def published(name, x, factors):
    """Published value, its slope by the internal one, and the slope of its logarithm."""
    factor = factors.get(name)
    if factor is None:
        return x, LD(1), 1 / x if x != 0 else LD(0)
    value = LD(factor) * np.exp(x)
    return value, value, LD(1)


def free_of(found):
    """Parameters that are neither at a bound nor held."""
    _, polished, fixed, _, held = found
    return [j for j in range(len(polished)) if j not in fixed and j not in held]


class Table:
    """Rows of a golden file."""

    COLUMNS = ["set", "region", "n", "model", "loss", "errors", "spread", "scale", "c", "name",
               "value", "std_error", "error_log", "error_local", "status", "objective",
               "log_likelihood_s", "digits_objective", "digits_value", "digits_error"]

    def __init__(self, what):
        self.what, self.rows, self.base = what, [], {}

    def add(self, problem, found, covariance, other_errors=None, local=None):
        """One row per parameter; the covariances are of the free internal ones."""
        library, polished, fixed, unclear, held = found
        factors = dict(PARAMETERS[problem.model]) | {"sigma_log": 1.0, "tail_dof": 1.0}
        free = free_of(found)
        told = [j for j in free if j not in unclear]
        costs = [problem.cost(np.array(x, dtype=LD)) for x in (library, polished)]
        values = [[published(problem.names[j], x[j], factors)[0] for j in told]
                  for x in (library, polished)]
        agreed = {"digits_objective": digits(*costs), "digits_value": digits(*values)}
        for j, name in enumerate(problem.names):
            value, slope, log_slope = published(name, polished[j], factors)
            row = self.base | agreed | {"name": name, "value": value, "status": "ok"}
            error = np.sqrt(covariance[free.index(j), free.index(j)]) if j in free else LD(0)
            is_open = factors.get(name) is not None and 1.96 * error > OPEN
            if j in told and not is_open:
                row |= {"std_error": error * slope, "error_log": error * abs(log_slope)}
                if local is not None:
                    row["error_local"] = np.sqrt(local[free.index(j), free.index(j)]) * slope
                if other_errors is not None:
                    row["digits_error"] = digits(other_errors[free.index(j)], error)
            else:
                row["status"] = "at_bound" if j in fixed else "not_identified"
            self.rows.append(row)

    def write(self, folder):
        with open(folder / f"{self.what}.csv", "w", encoding="utf-8", newline="\n") as file:
            file.write("# scripts/reference_fits.py: " + versions() + "\n")
            writer = csv.DictWriter(file, self.COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: text(k, v) for k, v in row.items()} for row in self.rows)


def text(column, value):
    if isinstance(value, (str, int)):
        return value
    if column.startswith("digits"):
        return f"{value:.1f}"
    # Differences leave twelve digits of an error.
    precision = 11 if "error" in column else 15
    return np.format_float_scientific(value, precision=precision, trim="-")


def versions():
    return (f"python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
            f"statsmodels {statsmodels.__version__}, mpmath {mpmath.__version__}")


def gram(columns, others=None):
    return np.array([[(a * b).sum() for b in others or columns] for a in columns])


def errors_of_library(problem, x, free):
    """Standard errors by statsmodels where the model is linear, by `curve_fit` elsewhere."""
    trips = problem.trips
    if problem.model in ("constant", "sqrt", "power") and len(free) == len(x):
        target = trips.ln_t[np.float64] - median(problem.model, np.zeros(len(x)), trips, np.float64)[0]
        design = np.column_stack(median(problem.model, x, trips, np.float64)[1])
        return sm.OLS(target, design).fit().bse
    full = filled({j: x[j] for j in range(len(x)) if j not in free}, len(x))
    _, covariance = curve_fit(
        lambda _, *y: median(problem.model, full(np.array(y)), trips, np.float64)[0],
        trips.km[np.float64], trips.ln_t[np.float64], p0=[x[j] for j in free], ftol=1e-14, xtol=1e-14,
        jac=lambda _, *y: np.column_stack(
            [median(problem.model, full(np.array(y)), trips, np.float64)[1][j] for j in free]))
    return np.sqrt(np.diag(covariance))


def least_squares_rows(table, trips, model):
    problem = Robust(trips, model)
    found = minimum(problem, starts(problem))
    (library, polished, *_), free = found, free_of(found)
    residuals, columns = problem.residuals(polished, LD)
    ssr, dof = (residuals**2).sum(), trips.n - len(free)
    covariance = ssr / dof * inverse(gram([columns[j] for j in free]))
    table.base |= {"objective": ssr}
    table.add(problem, found, covariance, errors_of_library(problem, library, free))
    sigma = np.sqrt(ssr / dof)
    table.rows.append(table.base | {"name": "sigma_log", "value": sigma, "status": "ok",
                                    "std_error": sigma / np.sqrt(LD(2 * dof))})
    return polished, float(LD("1.4826") * np.median(abs(residuals)))


def robust_rows(table, trips, model, begin, scale):
    huber = None
    for loss, tuning in TUNING.items():
        c = tuning * scale
        problem = Robust(trips, model, loss, c)
        begin = np.array(begin, dtype=float)
        from_where = [begin]
        if model != "power" and loss != "tukey":
            from_where += [np.array(start) for start in starts(problem)]
        if loss == "tukey":
            # The loss has many minima; the one meant is the best of those below Huber's and below
            # that of least squares.
            from_where = [huber, begin]
        found = minimum(problem, from_where)
        library, polished, fixed, unclear, held = found
        huber = np.array(polished, dtype=float) if loss == "huber" else huber
        free = free_of(found)
        scores, (curvature, columns) = problem.scores(polished), problem.curvature(polished)
        bread = inverse(gram([curvature * columns[j] for j in free], [columns[j] for j in free]))
        filling = gram([scores[j] for j in free])
        covariance = trips.n / LD(trips.n - len(free)) * (bread @ filling @ bread)
        table.base |= {"loss": loss, "c": c, "objective": problem.cost(polished)}
        if model == "power" and loss in ("huber", "tukey") and not fixed:
            norm = {"huber": sm.robust.norms.HuberT(tuning),
                    "tukey": sm.robust.norms.TukeyBiweight(tuning)}[loss]
            design = np.column_stack(median(model, library, trips, np.float64)[1])
            rlm = sm.RLM(trips.ln_t[np.float64], design, M=norm).fit(
                scale_est=lambda _, __: scale, update_scale=True, tol=1e-12, maxiter=200,
                conv="coefs", start_params=huber)
            found = (rlm.params, *found[1:])
        table.add(problem, found, covariance)


def likelihood_rows(table, trips, model, spread, dof, begin, sigma):
    problem = Likelihood(trips, model, spread, dof)
    of_model = [list(map(float, begin)), *starts(problem)]
    of_spread = [math.log(0.8 * sigma)] if spread == "constant" else [0.1, 0.01, 0.5 * sigma**2]
    of_tail = [math.log(5.0)] if dof is None else []
    found = minimum(problem, [x + of_spread + of_tail for x in of_model])
    polished = found[1]
    if dof is None and polished[-1] > math.log(DOF_LIMIT):
        return
    free = free_of(found)
    covariance, local = averaged(problem, polished, free), inverse(hessian(problem, polished, free))
    value = -problem.cost(polished)
    seconds = value - (trips.ln_t[LD] + np.log(LD(60))).sum()
    name = "normal" if dof == math.inf else "student_t" if dof is None else f"student_t_{dof:g}"
    table.base |= {"errors": name, "spread": spread, "objective": value, "log_likelihood_s": seconds}
    table.add(problem, found, covariance, local=local)


def main():
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    only = set(sys.argv[3:])
    warnings.simplefilter("ignore")
    tables = {what: Table(what) for what in ("least_squares", "robust", "likelihood")}
    for region, trips in read(path).items():
        if only and region not in only:
            continue
        for model in PARAMETERS:
            print(region, model, file=sys.stderr, flush=True)
            base = {"set": path.name.split(".")[0], "region": region, "n": trips.n, "model": model}
            for table in tables.values():
                table.base = base.copy()
            tables["least_squares"].base |= {"loss": "least_squares", "errors": "normal", "spread": "constant"}
            found, scale = least_squares_rows(tables["least_squares"], trips, model)
            if model in ("kwh", "power"):
                tables["robust"].base |= {"errors": "", "spread": "constant", "scale": scale}
                robust_rows(tables["robust"], trips, model, found, scale)
            if model in ("kwh", "kwh_intercept"):
                tables["likelihood"].base |= {"loss": ""}
                for dof in (4.0, None):
                    likelihood_rows(tables["likelihood"], trips, model, "constant", dof, found, scale)
                if region == ALL:
                    for dof in (math.inf, 4.0, None):
                        likelihood_rows(tables["likelihood"], trips, model, "budge", dof, found, scale)
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables.values():
        table.write(folder)


if __name__ == "__main__":
    main()
