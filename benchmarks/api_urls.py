"""The service, and the same rows by plain ModelSerializer views under /baseline."""

from django.urls import path
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.serializers import ModelSerializer

from lunatasks import urls
from tasks_app.api.shapes import TASK_COLUMNS
from tasks_app.models import Task


class TaskSerializer(ModelSerializer):
    class Meta:
        model = Task
        fields = TASK_COLUMNS


class Pages(PageNumberPagination):
    page_size = 10


class PlainView:
    queryset = Task.objects.order_by("-id")
    serializer_class = TaskSerializer
    pagination_class = Pages
    renderer_classes = [JSONRenderer]
    schema = None


class PlainList(PlainView, ListAPIView):
    """As a tutorial writes it, but without the COUNT that its paginator adds."""

    def get_queryset(self):
        return super().get_queryset()[:10]

    pagination_class = None


class PlainDetail(PlainView, RetrieveAPIView):
    pass


urlpatterns = [
    path("baseline/tasks", PlainList.as_view()),
    path("baseline/tasks/<int:pk>", PlainDetail.as_view()),
    *urls.urlpatterns,
]
