from remediator.metrics import ALERT_RESULTS, Metrics


def lines(metrics: Metrics) -> list[str]:
    return metrics.render().decode().splitlines()


def test_two_apps_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.dead_letters.inc()
    assert "remediator_dead_letters_total 1.0" in lines(one)
    assert "remediator_dead_letters_total 0.0" in lines(other)


def test_every_result_of_an_alert_is_shown_from_the_start() -> None:
    shown = lines(Metrics())
    for result in ALERT_RESULTS:
        assert f'remediator_alerts_total{{result="{result}"}} 0.0' in shown


def test_only_one_mode_is_in_force() -> None:
    metrics = Metrics()
    metrics.set_mode("dry-run")
    metrics.set_mode("live")
    assert [line for line in lines(metrics) if line.startswith("remediator_mode_info{")] == [
        'remediator_mode_info{mode="live"} 1.0'
    ]


def test_every_metric_of_ours_has_our_prefix_and_a_help_text() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith(("remediator_", "process_"))
        assert family.documentation


def test_no_label_could_take_an_alerts_own_words() -> None:
    closed = {
        "duty",
        "direction",
        "code",
        "result",
        "verdict",
        "reason",
        "outcome",
        "mode",
        "queue",
        "state",
        "channel",
        "kind",
    }
    metrics = Metrics()
    labels = {
        label for metric in vars(metrics).values() if hasattr(metric, "_labelnames") for label in metric._labelnames
    }
    assert labels == closed
