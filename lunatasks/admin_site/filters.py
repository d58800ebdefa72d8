"""Filters by a value that is typed in: choices would have to be gathered from the whole table."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest


class TypedFilter(FieldListFilter):
    """An input with the value; nonsense matches nothing."""

    template = "admin/typed_filter.html"
    input_type = "text"

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        given: Any = self.used_parameters.get(field_path)
        self.value = str(given[-1] if given else "").strip()

    def expected_parameters(self) -> list[str | None]:
        return [str(self.field_path)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """One: what the input needs; the other parameters go along as hidden fields."""
        others = {name: value for name, value in changelist.params.items() if name != self.field_path}
        for name, value in changelist.filter_params.items():
            if name != self.field_path:
                others[name] = value[-1] if isinstance(value, list) else value
        yield {
            "parameter": self.field_path,
            "value": self.value,
            "input_type": self.input_type,
            "others": others,
            "remove": changelist.get_query_string(remove=[str(self.field_path)]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value:
            return queryset
        try:
            return queryset.filter(**{str(self.field_path): self.parsed()})
        except ValueError:
            return queryset.none()

    def parsed(self) -> Any:
        """The value to compare with. Raises ValueError."""
        raise NotImplementedError


class UuidFilter(TypedFilter):
    def parsed(self) -> UUID:
        return UUID(self.value)


class NumberFilter(TypedFilter):
    input_type = "number"

    def parsed(self) -> int:
        value = int(self.value)
        if not 0 <= value < 2**63:
            raise ValueError("out of range")
        return value


class TextFilter(TypedFilter):
    """Exactly this text."""

    def parsed(self) -> str:
        if "\0" in self.value:
            raise ValueError("no database holds it")
        return self.value


class TagFilter(TextFilter):
    """One of the tags."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.title = "tag"


class LabelFilter(TextFilter):
    """The label of the top match."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.title = "label of the top match"


def coded_filter(name: str, words: Mapping[int, str]) -> type[SimpleListFilter]:
    """A choice among the codes of a field, in words."""

    class CodedFilter(SimpleListFilter):
        title = name.replace("_", " ")
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
            return [(str(code), f"{word} ({code})") for code, word in words.items()]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            codes = {str(code): code for code in words}
            value = self.value()
            if not value:
                return queryset
            return queryset.filter(**{name: codes[value]}) if value in codes else queryset.none()

    return CodedFilter
