"""Arrays are taken out of lists, tuples and dicts in one order, and put back in the same."""

from bpx.backend.trees import list_leaves, rebuild


def test_a_tree_is_rebuilt_from_its_leaves():
    tree = [{"b": 1, "a": (2, 3)}, None, [], {"c": [4, None]}]
    assert list_leaves(tree) == [2, 3, 1, 4]
    again = rebuild(tree, iter([20, 30, 10, 40]))
    assert again == [{"b": 10, "a": (20, 30)}, None, [], {"c": [40, None]}]
    assert list(again[0]) == ["b", "a"]
    assert type(again[0]["a"]) is tuple


def test_a_dict_in_another_order_has_the_same_leaves():
    assert list_leaves({"weight": 1, "bias": 2}) == list_leaves({"bias": 2, "weight": 1})
