/* ALSA's MIDI sequencer with nothing connected to it: Qtractor does not start without one, and kernels of containers
 * have none. Loaded with LD_PRELOAD. No event ever comes in, and what goes out is gone.
 */
#include <poll.h>
#include <unistd.h>

static int ends[2] = {-1, -1};

int snd_seq_open(void **sequencer, const char *name, int streams, int mode) {
    (void)name, (void)streams, (void)mode;
    if (ends[0] < 0 && pipe(ends) != 0) return -1;
    *sequencer = ends;
    return 0;
}

int snd_seq_close(void *sequencer) { return (void)sequencer, 0; }
int snd_seq_client_id(void *sequencer) { return (void)sequencer, 128; }

/* A pipe that nobody writes into. */
int snd_seq_poll_descriptors_count(void *sequencer, short events) { return (void)sequencer, (void)events, 1; }
int snd_seq_poll_descriptors(void *sequencer, struct pollfd *fds, unsigned space, short events) {
    (void)sequencer, (void)events;
    if (space < 1) return 0;
    fds[0].fd = ends[0];
    fds[0].events = POLLIN;
    return 1;
}

/* Nothing is there: neither events nor other clients. */
#define NOTHING(name) \
    int name(void *sequencer, void *wanted) { return (void)sequencer, (void)wanted, -2; }
NOTHING(snd_seq_event_input)
NOTHING(snd_seq_query_next_client)
NOTHING(snd_seq_query_next_port)
NOTHING(snd_seq_query_port_subscribers)
int snd_seq_event_input_pending(void *sequencer, int fetch) { return (void)sequencer, (void)fetch, 0; }
int snd_seq_get_any_client_info(void *sequencer, int client, void *info) {
    return (void)sequencer, (void)client, (void)info, -2;
}
int snd_seq_get_any_port_info(void *sequencer, int client, int port, void *info) {
    return (void)sequencer, (void)client, (void)port, (void)info, -2;
}

/* All else succeeds and does nothing. */
#define DONE(name) \
    int name(void *sequencer, void *a, void *b, void *c) { return (void)sequencer, (void)a, (void)b, (void)c, 0; }
DONE(snd_seq_alloc_queue)
DONE(snd_seq_control_queue)
DONE(snd_seq_create_simple_port)
DONE(snd_seq_delete_simple_port)
DONE(snd_seq_drain_output)
DONE(snd_seq_drop_input)
DONE(snd_seq_drop_output)
DONE(snd_seq_event_output)
DONE(snd_seq_event_output_direct)
DONE(snd_seq_free_queue)
DONE(snd_seq_get_port_info)
DONE(snd_seq_get_queue_status)
DONE(snd_seq_get_queue_tempo)
DONE(snd_seq_remove_events)
DONE(snd_seq_set_client_name)
DONE(snd_seq_set_port_info)
DONE(snd_seq_set_queue_tempo)
DONE(snd_seq_set_queue_timer)
DONE(snd_seq_subscribe_port)
DONE(snd_seq_unsubscribe_port)
