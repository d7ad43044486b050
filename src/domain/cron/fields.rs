//! What may stand in each field of a cron expression. The library that reads expressions takes a name
//! of a month for an hour and a step beyond the range for its first value; here both are mistakes.

/// One field: its name in messages, its range, the names of its values and the marks of days.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names of the values, the first of which stands for `min`.
    value_names: &'static [&'static str],
    marks: Marks,
}

/// What only the fields of days know.
#[derive(Clone, Copy, PartialEq)]
enum Marks {
    None,
    /// `L`, `LW`, `15W`.
    DayOfMonth,
    /// `FRI#2`, `FRIL`, and `+` in front.
    DayOfWeek,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const NICKNAMES: [&str; 6] = ["@YEARLY", "@ANNUALLY", "@MONTHLY", "@WEEKLY", "@DAILY", "@HOURLY"];

const FIELDS: [Field; 6] = [
    Field { name: "second", min: 0, max: 59, value_names: &[], marks: Marks::None },
    Field { name: "minute", min: 0, max: 59, value_names: &[], marks: Marks::None },
    Field { name: "hour", min: 0, max: 23, value_names: &[], marks: Marks::None },
    Field { name: "day of the month", min: 1, max: 31, value_names: &[], marks: Marks::DayOfMonth },
    Field { name: "month", min: 1, max: 12, value_names: &MONTHS, marks: Marks::None },
    Field { name: "day of the week", min: 0, max: 7, value_names: &DAYS, marks: Marks::DayOfWeek },
];

/// Says which field of an expression holds what cannot stand there.
///
/// # Errors
/// One sentence without the expression itself.
pub(super) fn check(expression: &str) -> Result<(), String> {
    let upper = expression.trim().to_uppercase();
    if upper.starts_with('@') {
        return match NICKNAMES.contains(&upper.as_str()) {
            true => Ok(()),
            false => Err(format!("the nicknames are {}", NICKNAMES.join(", ").to_lowercase())),
        };
    }
    let parts: Vec<&str> = upper.split_whitespace().collect();
    let fields = match parts.len() {
        5 => &FIELDS[1..],
        6 => &FIELDS[..],
        n => return Err(format!("it has {n} fields, five or six are needed")),
    };
    fields.iter().zip(parts).try_for_each(|(field, part)| field.check(part))
}

impl Field {
    fn check(&self, part: &str) -> Result<(), String> {
        let part = match self.marks {
            Marks::DayOfWeek => part.strip_prefix('+').unwrap_or(part),
            Marks::None | Marks::DayOfMonth => part,
        };
        part.split(',').try_for_each(|item| {
            self.check_item(item).map_err(|why| format!("{}: `{item}` {why}", self.name))
        })
    }

    /// One item of a list: a value or a range, with or without a step.
    fn check_item(&self, item: &str) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let is_any = range == "*" || (range == "?" && self.marks != Marks::None);
        let width = if is_any {
            self.max - self.min
        } else if let Some((first, last)) = range.split_once('-') {
            let (first, last) = (self.value(first)?, self.last_value(last)?);
            last.checked_sub(first).ok_or("runs backwards")?
        } else if step.is_some() {
            return Err("has a step without a range; write `*` or a range before `/`".to_owned());
        } else if self.is_marked_day(range) {
            return Ok(());
        } else {
            self.value(range)?;
            return Ok(());
        };
        match step.map(str::parse) {
            None => Ok(()),
            Some(Ok(step)) if (1..=width).contains(&step) => Ok(()),
            Some(_) => Err(format!("has a step that is not a number from 1 to {width}")),
        }
    }

    /// A week may end with Sunday, which also begins it.
    fn last_value(&self, text: &str) -> Result<u32, String> {
        if self.marks == Marks::DayOfWeek && text == DAYS[0] { Ok(7) } else { self.value(text) }
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Some(at) = self.value_names.iter().position(|name| *name == text) {
            return Ok(self.min + at as u32);
        }
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(value) if is_number && (self.min..=self.max).contains(&value) => Ok(value),
            _ if self.value_names.is_empty() => {
                Err(format!("is not a number from {} to {}", self.min, self.max))
            }
            _ => {
                let (first, last) =
                    (self.value_names[0], self.value_names[self.value_names.len() - 1]);
                let (min, max) = (self.min, self.max);
                Err(format!("is not a number from {min} to {max} or a name from {first} to {last}"))
            }
        }
    }

    /// The last day, the working day nearest to a day, the last or the n-th of a day of the week.
    fn is_marked_day(&self, text: &str) -> bool {
        match self.marks {
            Marks::None => false,
            Marks::DayOfMonth => {
                let day = text.strip_suffix('W').unwrap_or_default();
                text == "L" || day == "L" || self.value(day).is_ok()
            }
            Marks::DayOfWeek => {
                let last = text.strip_suffix('L').is_some_and(|day| self.value(day).is_ok());
                let nth = text.split_once('#').is_some_and(|(day, nth)| {
                    self.value(day).is_ok() && matches!(nth, "1" | "2" | "3" | "4" | "5" | "L")
                });
                last || nth
            }
        }
    }
}
