"""What monitors see."""

from bridge.metrics import Metrics
from bridge.model import InstanceId


def test_every_series_is_there_at_zero_from_the_start():
    """Else a first failure would show as an appearance, not as a rise."""
    metrics = Metrics("1.2.3")
    metrics.declare([InstanceId("dt")])
    page = metrics.page().decode()

    for line in (
        'msgbridge_info{version="1.2.3"} 1.0',
        'msgbridge_messages_accepted_total{instance="dt",verdict="duplicate"} 0.0',
        'msgbridge_deliveries_settled_total{instance="dt",reason="",status="dead"} 0.0',
        'msgbridge_attempts_failed_total{instance="dt",kind="broken"} 0.0',
        'msgbridge_deliveries_waiting{instance="dt"} 0.0',
        'msgbridge_delivery_seconds_count{instance="dt"} 0.0',
        'msgbridge_destinations_suspended{instance="dt"} 0.0',
    ):
        assert line in page


def test_damaged_rows_are_counted_as_they_grow():
    metrics = Metrics("1")
    for seen in (0, 2, 2, 5):
        metrics.damaged(seen)

    assert "msgbridge_journal_rows_damaged_total 5.0" in metrics.page().decode()


def test_two_daemons_in_one_process_do_not_share_numbers():
    """Nothing is registered globally."""
    one, other = Metrics("1"), Metrics("1")
    one.sent(InstanceId("dt"), 0.5)

    line = 'msgbridge_deliveries_settled_total{instance="dt",reason="",status="sent"} 1.0'
    assert line in one.page().decode()
    assert line not in other.page().decode()
