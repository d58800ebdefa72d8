-- Many tasks and errors: 100 accounts, of which one has a fifth of everything. Ids rise with time, as they do in life.
INSERT INTO tasks_app_task (attempt, lost_count, worker, progress_done, progress_all, result_path, result_size, result_sha256,
    account_id, task_type, task_status, step, run, phase, planned_phases, last_phase, content, secrets, description, inputs,
    request_id, create_time, last_update_time, end_time, count_task_parts_done, count_task_parts_all, result_id)
SELECT 0, 0, '', 0, 0, '', 0, '',
    lpad(to_hex(CASE WHEN n %% 5 = 0 THEN 0 ELSE n %% 100 END), 32, 'a')::uuid, 1 + n %% 9, (ARRAY[5,5,5,5,5,3,2,0,1,4])[1 + n %% 10],
    0, 1, 0, 0, false, '{"objects_type": "faces", "filters": {"create_time__lt": "2024-01-01T00:00:00.000000Z"}, "params": {"use_track_info": 0}, "threshold": 0.9, "descriptor": {"type": "face"}}',
    '', 'task ' || n, '{}', '', t, t, CASE WHEN n %% 10 <= 6 THEN t + interval '100 s' END, 10, 10,
    CASE WHEN n %% 10 <= 4 THEN md5(n::text)::uuid END
FROM (SELECT n, timestamptz '2024-01-01' + n * interval '1 s' AS t FROM generate_series(1, %(tasks)s) AS n) AS numbers
ORDER BY n;

INSERT INTO errors_app_taskerror (task_id, account_id, task_type, error_code, status_code, description, detail, additional_info, error_time)
SELECT task.id, task.account_id, task.task_type, (ARRAY[22004,22018,28010,23001,13003])[1 + n %% 5], (ARRAY[404,404,404,404,500])[1 + n %% 5],
    'Faces not found', 'One or more faces not found, including face with id ''8f4f0070-c464-460b-bf78-fac225df72e9''',
    '8f4f0070-c464-460b-bf78-fac225df72e9', timestamptz '2024-01-01' + n * interval '0.2 s'
FROM generate_series(1, %(errors)s) AS n JOIN tasks_app_task AS task ON task.id = (SELECT min(id) FROM tasks_app_task) + (n::bigint * 7919) %% %(tasks)s
ORDER BY n;

VACUUM ANALYZE tasks_app_task;
VACUUM ANALYZE errors_app_taskerror;
