//! Texts that cannot be read, or stand in another column.

use super::Expected::{Harmless, Refused};
use super::{Night, night};

/// The line changed, every line below the header.
fn lines(text: &str, change: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let mut lines = text.lines();
    let mut edited = format!("{}\n", lines.next().unwrap());
    edited.extend(lines.enumerate().map(|(i, line)| change(i, line) + "\n"));
    edited.into_bytes()
}

/// As a reader of the wrong encoding writes it again.
fn mangled(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

pub(super) const NIGHTS: &[Night] = &[
    night(
        "decimal comma",
        "`2,5731` in the distances",
        |feed| feed.each(|row| row.distance = row.distance.replace('.', ",")),
        Refused("unreadable"),
    ),
    night(
        "thousands separators in slow times",
        "`1,046` in times from 1,000 s on",
        |feed| {
            feed.each_of(
                |row| row.s() >= 1000.0,
                |row| {
                    let (thousands, rest) = row.time.split_at(row.time.len() - 3);
                    row.time = format!("{thousands},{rest}");
                },
            );
        },
        Refused("unreadable"),
    ),
    night(
        "times as minutes and seconds",
        "`5:07` in the times",
        |feed| {
            feed.each(|row| {
                let s = row.s();
                row.time = format!("{:.0}:{:02.0}", (s / 60.0).floor(), s % 60.0);
            });
        },
        Refused("unreadable"),
    ),
    night(
        "a field more in every row",
        "an empty field after the id, which the header has not got",
        |feed| feed.edit = Some(|text| lines(&text, |_, line| line.replacen(',', ",,", 1))),
        Refused("unreadable"),
    ),
    night(
        "a column shifted",
        "the header names the priority `distance_km`, and the distance `travel_time_s`",
        |feed| {
            "incident_id,region,occurred_at,distance_km,travel_time_s,x"
                .clone_into(&mut feed.header);
        },
        Refused("distribution"),
    ),
    night(
        "columns swapped",
        "distances in the place of times",
        |feed| feed.each(|row| std::mem::swap(&mut row.distance, &mut row.time)),
        Refused("distribution"),
    ),
    night(
        "region and id swapped",
        "ids in the place of regions",
        |feed| feed.each(|row| std::mem::swap(&mut row.region, &mut row.id)),
        Refused("regions"),
    ),
    night(
        "the header repeated",
        "the header again after every 500 rows",
        |feed| {
            feed.edit = Some(|text| {
                let header = text.lines().next().unwrap().to_owned();
                lines(&text, |i, line| match i % 500 {
                    499 => format!("{line}\n{header}"),
                    _ => line.to_owned(),
                })
            });
        },
        Harmless("eight rows that cannot be read"),
    ),
    night(
        "names in another encoding",
        "`NÃ¸rrebro` for `Nørrebro`",
        |feed| feed.each(|row| row.region = mangled(&row.region)),
        Refused("regions"),
    ),
    night(
        "bytes that cannot be decoded",
        "the file in Latin-1",
        |feed| {
            feed.edit = Some(|text| {
                text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
            });
        },
        Refused("regions"),
    ),
    night(
        "the priority lost",
        "no text in the priorities",
        |feed| feed.each(|row| row.priority.clear()),
        Harmless("groups are not split by priority"),
    ),
    night(
        "the priority lost where groups are split by it",
        "no text in the priorities",
        |feed| feed.each(|row| row.priority.clear()),
        Refused("groups_without_fit"),
    )
    .with(&[("groups.by_priority", "true")]),
    night(
        "no arrivals",
        "no time in 60 % of the rows, drawn by lot",
        |feed| feed.each_of(|row| row.lot < 0.6, |row| row.time.clear()),
        Refused("refused_others"),
    ),
    night(
        "no arrivals of slow trips",
        "no time in rows of more than 600 s",
        |feed| feed.each_of(|row| row.s() > 600.0, |row| row.time.clear()),
        Refused("refused_others"),
    ),
    night(
        "`NULL` in slow times",
        "`NULL` in times of more than 600 s",
        |feed| feed.each_of(|row| row.s() > 600.0, |row| "NULL".clone_into(&mut row.time)),
        Refused("refused_others"),
    ),
    night(
        "day and month swapped",
        "`2026-03-02` becomes `2026-02-03`, where that is a date",
        |feed| {
            feed.each(|row| {
                let text = row.at.to_string();
                let swapped =
                    format!("{}-{}-{}{}", &text[..4], &text[8..10], &text[5..7], &text[10..]);
                row.at = swapped.parse().unwrap_or(row.at);
            });
        },
        Refused("future"),
    ),
];
