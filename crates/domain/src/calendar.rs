//! The calendar of deadlines: contract, point 8; 11 CCR 7026(f) and 7027(g), "no later than 15 business days".

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::time::Millis;

const DEADLINE_BUSINESS_DAYS: u32 = 15;
const TIME_ZONE: &str = "America/Los_Angeles";

/// Longer deadlines are a slip, and would take long to count.
const DEADLINE_BUSINESS_DAYS_MAX: u32 = 10_000;

/// A calendar that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CalendarError(String);

/// When what was received must have been applied.
#[derive(Clone, Debug)]
pub struct Calendar {
    deadline_business_days: u32,
    time_zone: TimeZone,
    holidays: BTreeSet<Date>,
    /// The last answer: choices come day by day.
    last: Arc<Mutex<Option<Day>>>,
}

/// A local day, as instants, and when what was received on it is due.
#[derive(Clone, Copy, Debug)]
struct Day {
    from: Millis,
    until: Millis,
    due_at: Millis,
}

impl Default for Calendar {
    /// 15 business days, Los Angeles, no holidays: the strict reading.
    fn default() -> Self {
        Self {
            deadline_business_days: DEADLINE_BUSINESS_DAYS,
            // The database is bundled, so the zone is there.
            time_zone: TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC),
            holidays: BTreeSet::new(),
            last: Arc::default(),
        }
    }
}

impl Calendar {
    /// A calendar; what is not given is as in [`Calendar::default`].
    pub(crate) fn new(
        deadline_business_days: Option<i64>,
        time_zone: Option<&str>,
        holidays: &[String],
    ) -> Result<Self, CalendarError> {
        let mut calendar = Self::default();
        if let Some(days) = deadline_business_days {
            let in_range = u32::try_from(days).ok().filter(|days| *days <= DEADLINE_BUSINESS_DAYS_MAX);
            calendar.deadline_business_days = in_range.ok_or_else(|| {
                CalendarError(format!("deadline_business_days: {days} is not from 0 to {DEADLINE_BUSINESS_DAYS_MAX}"))
            })?;
        }
        if let Some(name) = time_zone {
            calendar.time_zone = TimeZone::get(name).map_err(|_| {
                CalendarError(format!("time_zone: \"{name}\" is not an IANA time zone, such as \"{TIME_ZONE}\""))
            })?;
        }
        for day in holidays {
            let date = day
                .parse()
                .map_err(|_| CalendarError(format!("holidays: \"{day}\" is not a date, such as \"2026-12-25\"")))?;
            calendar.holidays.insert(date);
        }
        Ok(calendar)
    }

    /// The end (23:59:59.999) of the last business day within the deadline, which begins after the local day of receipt.
    /// A receipt too far away for any calendar is due at the end of time.
    #[must_use]
    pub fn due_at(&self, received_at: Millis) -> Millis {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(day) = *last
            && (day.from..day.until).contains(&received_at)
        {
            return day.due_at;
        }
        let day = self.day_of(received_at);
        *last = day.or(*last);
        day.map_or(Millis(i64::MAX), |day| day.due_at)
    }

    fn day_of(&self, received_at: Millis) -> Option<Day> {
        let received = Timestamp::from_millisecond(received_at.0).ok()?;
        let received_on = received.to_zoned_datetime(self.time_zone.clone()).date();
        let mut due_on = received_on;
        let mut business_days = 0;
        while business_days < self.deadline_business_days {
            due_on = due_on.checked_add(1.day()).ok()?;
            if self.is_business_day(due_on) {
                business_days += 1;
            }
        }
        Some(Day {
            from: self.start_of(received_on)?,
            until: self.start_of(received_on.checked_add(1.day()).ok()?)?,
            due_at: Millis(self.start_of(due_on.checked_add(1.day()).ok()?)?.0 - 1),
        })
    }

    fn is_business_day(&self, date: Date) -> bool {
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.contains(&date)
    }

    fn start_of(&self, date: Date) -> Option<Millis> {
        let start = date.to_zoned_datetime(self.time_zone.clone()).ok()?;
        Some(Millis(start.timestamp().as_millisecond()))
    }
}
