import pytest

from service.http.negotiation import accepts_gzip, preferred_picture_type


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "image/png"),
        ("", "image/png"),
        ("image/*", "image/png"),
        ("image/jpeg", "image/jpeg"),
        ("image/jpeg, image/png", "image/png"),
        ("image/jpeg, image/png;q=0.5", "image/jpeg"),
        ("image/png;q=0.4, image/jpeg;q=0.8", "image/jpeg"),
        ("image/*;q=0.5, image/jpeg", "image/jpeg"),
        ("image/jpeg;q=0.1, */*", "image/png"),
        ("image/png;q=0, image/*", "image/jpeg"),
        ("IMAGE/JPEG ; Q=1", "image/jpeg"),
        ("image/png;q=nonsense, image/jpeg;q=0.1", "image/jpeg"),
        ("application/json", "image/png"),
    ],
)
def test_client_gets_the_picture_type_that_it_ranks_highest(accept, expected):
    assert preferred_picture_type(accept) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [("gzip", True), ("br, gzip;q=0.1", True), ("gzip;q=0", False), ("", False), ("br", False)],
)
def test_gzip_is_taken_only_where_it_is_named(accept_encoding, accepted):
    assert accepts_gzip(accept_encoding) is accepted
