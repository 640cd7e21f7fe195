from training.changes import Setting, settings_of
from training.recipes import recipe


def test_what_differs_from_the_recipe_is_marked() -> None:
    config = recipe("person-detector").model_dump(mode="json")
    config["optimizer"]["learning_rate"] = 0.5
    settings = settings_of(config, "person-detector")
    usual = recipe("person-detector").optimizer.learning_rate
    assert [one for one in settings if one.changed] == [
        Setting("optimizer.learning_rate", 0.5, usual, changed=True)
    ]


def test_data_is_no_setting() -> None:
    config = recipe("person-detector").model_dump(mode="json")
    names = {one.name for one in settings_of(config, "person-detector")}
    assert "epochs" in names
    assert not any(name.startswith("data") for name in names)


def test_a_recipe_that_is_not_known_marks_nothing() -> None:
    settings = settings_of({"epochs": 3}, "of-tomorrow")
    assert settings == [Setting("epochs", 3, None, changed=False)]
