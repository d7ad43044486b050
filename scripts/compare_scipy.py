"""SciPy's curve_fit against speedfit, on the same file and machine: seconds, and agreement.

Fits KWH to every region with at least 10 records, as a script on a desk would: read the file,
then curve_fit on ln T with ln a and ln v as parameters, with derivatives and close tolerances (by
its defaults it stops within about 1e-4). Where the two differ the sums of squares say who found the
lower minimum: a curve with a knot may have several. Then `speedfit fit` on the same file, with
the limits of acceptance of the settings: give a file that is clean, so that both fit the same rows.

    python3 -m venv venv && venv/bin/pip install numpy scipy
    cargo build --release --locked
    venv/bin/python scripts/compare_scipy.py CLEAN.csv.gz [target/release/speedfit]
"""

import csv
import gzip
import json
import math
import os
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

MIN_RECORDS = 10
TOLERANCE = 1e-5


def read(path):
    """Distances (km) and travel times (min) by region."""
    trips = defaultdict(lambda: ([], []))
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            distances, minutes = trips[row["region"]]
            distances.append(float(row["distance_km"]))
            minutes.append(float(row["travel_time_s"]) / 60.0)
    return {name: (np.array(d), np.array(t)) for name, (d, t) in trips.items()}


def ln_time(distance, ln_a, ln_v):
    """ln T (min): sqrt branch up to the knot v*v/a, straight line beyond."""
    a, v = np.exp(ln_a), np.exp(ln_v)
    short = 2.0 * np.sqrt(distance / a)
    return np.log(np.where(distance < v * v / a, short, distance / v + v / a))


def derivatives(distance, ln_a, ln_v):
    """Derivatives of ln T by ln a and ln v."""
    a, v = np.exp(ln_a), np.exp(ln_v)
    short, line = distance < v * v / a, distance / v + v / a
    by_a = np.where(short, -0.5, -(v / a) / line)
    by_v = np.where(short, 0.0, (v / a - distance / v) / line)
    return np.column_stack([by_a, by_v])


def fit(distance, minutes):
    """ln a and ln v, or None where curve_fit gives up."""
    start = (math.log(0.3), math.log(np.median(distance / minutes)))
    try:
        return curve_fit(
            ln_time, distance, np.log(minutes), p0=start, jac=derivatives,
            ftol=1e-14, xtol=1e-12, gtol=1e-12, maxfev=1000,
        )[0]
    except RuntimeError:
        return None


def ssr(trips, parameters):
    """Sum of squares of ln T."""
    distance, minutes = trips
    return np.sum((ln_time(distance, *parameters) - np.log(minutes)) ** 2)


def speedfit(program, path):
    """Estimates and status by region, seconds by phase, and seconds of wall and processor."""
    settings = {"SPEEDFIT__JUDGE__MIN_RECORDS": str(MIN_RECORDS)}
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    told = subprocess.run(
        [program, "fit", path, "--model", "kwh", "--json"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | settings,
    )
    wall = time.perf_counter() - begun
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    document = json.loads(told.stdout)
    regions = {
        result["region"]: {p["name"]: p for p in result["parameters"]}
        for result in document["results"]
    }
    return regions, document["timing_ms"], wall, cpu


def compare(trips, ours, theirs):
    """How the fits of a region compare; None where speedfit says that the records do not tell."""
    names = ("acceleration_km_min2", "cruise_speed_kmh")
    if not all(name in ours and ours[name]["status"] == "ok" for name in names):
        return None
    if theirs is None:
        return "given up by scipy"
    a, v = (ours[name]["estimate"] for name in names)
    own = (math.log(a), math.log(v / 60.0))
    if max(abs(x - y) for x, y in zip(own, theirs)) <= TOLERANCE:
        return f"within {TOLERANCE:g}"
    return "lower in " + ("speedfit" if ssr(trips, own) < ssr(trips, theirs) else "scipy")


def main():
    path = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else "target/release/speedfit"
    warnings.simplefilter("ignore", OptimizeWarning)
    warnings.simplefilter("ignore", RuntimeWarning)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    trips = read(path)
    read_s = time.perf_counter() - begun
    fits = {n: fit(d, t) for n, (d, t) in trips.items() if len(d) >= MIN_RECORDS}
    total_s, total_cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    regions, timing_ms, wall, cpu = speedfit(program, path)
    verdicts = Counter(compare(trips[n], regions[n], theirs) for n, theirs in fits.items())
    n_ok = len(fits) - verdicts.pop(None, 0)
    fit_s, ours_fit_s = total_s - read_s, timing_ms["fit"] / 1e3
    print(f"scipy     {total_s:.3f} s ({total_cpu:.3f} s of processor): read {read_s:.3f}, fit {fit_s:.3f}")
    print(f"speedfit  {wall:.3f} s ({cpu:.3f} s of processor): {timing_ms} ms")
    print(f"ratio     {total_s / wall:.1f} ({total_cpu / cpu:.1f}), in the fit {fit_s / ours_fit_s:.1f}")
    print(f"regions   {len(fits)} fitted, {n_ok} ok: {dict(verdicts)}")


if __name__ == "__main__":
    main()
