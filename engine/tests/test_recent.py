"""A bounded table that forgets what was used longest ago."""

from engine.recent import Recent


def test_what_was_put_is_found():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    assert recent.get("a") == 1


def test_what_is_not_there_is_none():
    assert Recent[str, int](2).get("a") is None


def test_what_was_used_longest_ago_goes():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.get("a")
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_a_key_put_again_holds_the_new_value():
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("a", 2)
    assert recent.get("a") == 2


def test_a_value_is_gone_when_its_time_is_over():
    lasts = 60.0
    recent: Recent[str, int] = Recent(2, lasts=lambda: lasts)
    recent.put("a", 1)
    assert recent.get("a") == 1
    lasts = 0.0
    assert recent.get("a") is None
