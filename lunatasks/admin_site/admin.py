"""What the admin shows; Django finds this module by its name."""

from django.contrib import admin

from errors_app.models import TaskError
from lunatasks.admin_site.errors import TaskErrorAdmin
from lunatasks.admin_site.events import EventAdmin
from lunatasks.admin_site.face_lists import FaceListAdmin
from lunatasks.admin_site.faces import FaceAdmin
from lunatasks.admin_site.handlers import HandlerAdmin
from lunatasks.admin_site.subtasks import SubtaskAdmin
from lunatasks.admin_site.tasks import TaskAdmin
from lunatasks.luna_services.embedded.models import Event, Face, FaceList, Handler
from tasks_app.models import Subtask, Task

admin.site.register(Task, TaskAdmin)
admin.site.register(Subtask, SubtaskAdmin)
admin.site.register(TaskError, TaskErrorAdmin)
admin.site.register(Face, FaceAdmin)
admin.site.register(FaceList, FaceListAdmin)
admin.site.register(Event, EventAdmin)
admin.site.register(Handler, HandlerAdmin)
