import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

from service.inference.validation import first_problem


class Inner(BaseModel):
    sides: tuple[int, ...]


class Outer(BaseModel):
    inner: Inner
    name: str = Field(max_length=5)

    @model_validator(mode="after")
    def _not_bob(self):
        if self.name == "bob":
            raise ValueError("name is bob")
        return self


def problem(values):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return first_problem(caught.value)


def test_nested_field_and_value_are_named():
    assert problem({"inner": {"sides": [1, "x"]}, "name": "a"}) == (
        "inner.sides.1 = 'x': Input should be a valid integer, unable to parse string as an integer"
    )


def test_other_problems_are_counted():
    assert problem({}) == "inner: Field required (and 1 more)"


def test_long_value_is_left_out():
    assert problem({"inner": {"sides": []}, "name": "a" * 99}) == (
        "name: String should have at most 5 characters"
    )


def test_problem_of_the_whole_has_no_field():
    assert problem({"inner": {"sides": []}, "name": "bob"}) == "name is bob"
