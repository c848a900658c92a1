/* The operations of `benches/objects` through Windows' calls, for Wine's server. One line in,
   "ROW COUNT"; one line out, the nanoseconds that all of them took together, 0 for an unknown row.
   The argument is the core of the other end of a round trip. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double frequency;
static HANDLE ours, theirs;
static int other_cpu;

static double now_ns(void) {
    LARGE_INTEGER t;
    QueryPerformanceCounter(&t);
    return (double)t.QuadPart * 1e9 / frequency;
}

static void echo(void) {
    HANDLE a = OpenEventW(EVENT_ALL_ACCESS, 0, L"Local\\bench-ping");
    HANDLE b = OpenEventW(EVENT_ALL_ACCESS, 0, L"Local\\bench-pong");
    SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)1 << other_cpu);
    while (WaitForSingleObject(a, 20000) == WAIT_OBJECT_0) SetEvent(b);
}

static int start_echo(void) {
    WCHAR self[MAX_PATH], line[MAX_PATH + 16];
    STARTUPINFOW startup = {sizeof startup};
    PROCESS_INFORMATION process;
    GetModuleFileNameW(0, self, MAX_PATH);
    wsprintfW(line, L"\"%s\" %d echo", self, other_cpu);
    ours = CreateEventW(0, 0, 0, L"Local\\bench-ping");
    theirs = CreateEventW(0, 0, 0, L"Local\\bench-pong");
    if (!CreateProcessW(0, line, 0, 0, 0, 0, 0, 0, &startup, &process)) return 0;
    /* The first round trip waits for it to be there. */
    do SetEvent(ours);
    while (WaitForSingleObject(theirs, 200) != WAIT_OBJECT_0);
    return 1;
}

static unsigned serial;

static int row(const char *name, HANDLE event, HANDLE mapping) {
    WCHAR fresh[64];
    HANDLE h;
    volatile char *p;
    (void)mapping;
    if (!strcmp(name, "create-unnamed")) {
        CloseHandle(CreateEventW(0, 1, 0, 0));
    } else if (!strcmp(name, "create-named")) {
        wsprintfW(fresh, L"Local\\bench-%u", ++serial);
        CloseHandle(CreateEventW(0, 1, 0, fresh));
    } else if (!strcmp(name, "open")) {
        CloseHandle(OpenEventW(EVENT_ALL_ACCESS, 0, L"Local\\bench-event"));
    } else if (!strcmp(name, "open-map")) {
        h = OpenFileMappingW(FILE_MAP_READ, 0, L"Local\\bench-map");
        p = MapViewOfFile(h, FILE_MAP_READ, 0, 0, 0);
        (void)p[0];
        UnmapViewOfFile((void *)p);
        CloseHandle(h);
    } else if (!strcmp(name, "duplicate")) {
        DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &h, 0, 0,
                        DUPLICATE_SAME_ACCESS);
        CloseHandle(h);
    } else if (!strcmp(name, "open-signal")) {
        h = OpenEventW(EVENT_ALL_ACCESS, 0, L"Local\\bench-event");
        SetEvent(h);
        CloseHandle(h);
    } else if (!strcmp(name, "signal")) {
        SetEvent(event);
    } else if (!strcmp(name, "round-trip")) {
        SetEvent(ours);
        WaitForSingleObject(theirs, 20000);
    } else {
        return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    LARGE_INTEGER f;
    char name[64];
    unsigned count;
    HANDLE event, mapping;
    QueryPerformanceFrequency(&f);
    frequency = (double)f.QuadPart;
    other_cpu = argc > 1 ? atoi(argv[1]) : 0;
    if (argc > 2 && !strcmp(argv[2], "echo")) {
        echo();
        return 0;
    }
    event = CreateEventW(0, 1, 0, L"Local\\bench-event");
    mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, 0, PAGE_READWRITE, 0, 1 << 20,
                                 L"Local\\bench-map");
    while (scanf("%63s %u", name, &count) == 2) {
        double started;
        int known = 1;
        unsigned i;
        if (!strcmp(name, "round-trip") && !ours && !start_echo()) known = 0;
        started = now_ns();
        for (i = 0; known && i < count; i++) known = row(name, event, mapping);
        printf("%.0f\n", known ? now_ns() - started : 0.0);
        fflush(stdout);
    }
    return 0;
}
