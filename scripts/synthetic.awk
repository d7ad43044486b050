# Records about one curve (a = 0.68 km/min2, v = 101 km/h), mixed over regions: for measurements.
#
#   awk -v n=1000000 -v regions=200 -f scripts/synthetic.awk > synthetic.csv

function normal() {
    return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand())
}

BEGIN {
    srand(1)
    a = 0.682; v = 1.678
    print "incident_id,region,occurred_at,priority,distance_km,travel_time_s"
    for (i = 0; i < n; i++) {
        d = 2.5 * exp(0.9 * normal())
        d = d < 0.1 ? 0.1 : d > 40 ? 40 : d
        minutes = d < v * v / a ? 2 * sqrt(d / a) : d / v + v / a
        t = 60 * minutes * exp(0.3 * normal())
        printf "E%d,Region %d,2026-01-%02dT%02d:00:00Z,1,%.3f,%d\n", \
            i, i % regions, 1 + i % 28, i % 24, d, t < 10 ? 10 : t
    }
}
