from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks_app', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='task',
            name='secrets',
            field=models.TextField(blank=True, default='', editable=False),
        ),
    ]
