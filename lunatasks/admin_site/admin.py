"""What the admin shows; Django finds this module by its name."""

from django.contrib import admin

from errors_app.models import TaskError
from lunatasks.admin_site.errors import TaskErrorAdmin
from lunatasks.admin_site.faces import FaceAdmin, FaceListAdmin
from lunatasks.admin_site.subtasks import SubtaskAdmin
from lunatasks.admin_site.tasks import TaskAdmin
from lunatasks.luna_services.embedded.models import Face, FaceList
from tasks_app.models import Subtask, Task

admin.site.register(Task, TaskAdmin)
admin.site.register(Subtask, SubtaskAdmin)
admin.site.register(TaskError, TaskErrorAdmin)
admin.site.register(Face, FaceAdmin)
admin.site.register(FaceList, FaceListAdmin)
