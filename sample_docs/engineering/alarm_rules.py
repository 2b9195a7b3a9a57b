"""Decides whether a series of readings breaks the limits of a profile.

Runs inside the alarm engine. Pure functions: no clock, no network, so that a past shipment can be judged again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Probes jump when a hand warms them: fewer readings than this never raise an alarm.
MINIMUM_READINGS = 3

# Two alarms of one logger closer together than this are one incident to the customer.
QUIET_PERIOD = timedelta(minutes=45)


@dataclass(frozen=True)
class Profile:
    """Limits in degrees Celsius, and how long they may be broken."""

    low: float
    high: float
    grace: timedelta
    door_delay: timedelta = timedelta(minutes=4)


@dataclass(frozen=True)
class Reading:
    time: datetime
    celsius: float
    door_open: bool = False


PHARMA = Profile(low=2.0, high=8.0, grace=timedelta(minutes=10))
FROZEN = Profile(low=-35.0, high=-18.0, grace=timedelta(minutes=30))


def broken_since(readings: list[Reading], profile: Profile) -> datetime | None:
    """The time since which the limits have been broken without a break, or None."""
    since = None
    for reading in readings:
        if profile.low <= reading.celsius <= profile.high:
            since = None
        elif since is None:
            since = reading.time
    return since


def must_alarm(readings: list[Reading], profile: Profile, last_alarm: datetime | None) -> bool:
    """True when the limits have been broken for longer than the profile's grace time."""
    if len(readings) < MINIMUM_READINGS:
        return False
    now = readings[-1].time
    if last_alarm is not None and now - last_alarm < QUIET_PERIOD:
        return False
    since = broken_since(readings, profile)
    grace = profile.grace + (profile.door_delay if readings[-1].door_open else timedelta())
    return since is not None and now - since > grace


def mean_kinetic_temperature(readings: list[Reading]) -> float:
    """Mean kinetic temperature in degrees Celsius, with an activation energy of 83.144 kJ/mol, as pharmacists use it."""
    from math import exp, log

    delta_over_r = 10000.0
    kelvins = [reading.celsius + 273.15 for reading in readings]
    return delta_over_r / -log(sum(exp(-delta_over_r / k) for k in kelvins) / len(kelvins)) - 273.15
