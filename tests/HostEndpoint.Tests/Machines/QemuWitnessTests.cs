using System.Net.Sockets;
using ChannelSdk.Host.Launch;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Hypervisors;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>What is known of a machine that has ended, with a script in QEMU's place and its sockets held by the test.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QemuWitnessTests : IAsyncDisposable
{
    private const int SigUsr1 = 10;

    private readonly TestFolder _folder = new();
    private readonly Socket _console = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly QmpDouble _monitor;

    public QemuWitnessTests()
    {
        Directory.CreateDirectory(_folder.At("vm"));
        _monitor = new QmpDouble(_folder.At("vm", "qmp.sock"));
        _console.Bind(new UnixDomainSocketEndPoint(_folder.At("vm", "console.sock")));
        _console.Listen();
    }

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public async ValueTask DisposeAsync()
    {
        await _monitor.DisposeAsync();
        _console.Dispose();
        _folder.Dispose();
    }

    private Task<QemuGuest> StartAsync(string script) => QemuGuest.StartAsync(new QemuOptions
    {
        Program = _folder.Write("qemu", $"#!/bin/sh\n{script}\n", isScript: true),
        Folder = _folder.At("vm"),
        Accelerator = "tcg",
        WatchedDisks = new Dictionary<string, string> { ["target0"] = "/srv/vm1.img" },
    }, Soon);

    [Fact]
    public async Task The_end_of_a_console_is_kept_however_much_the_guest_writes()
    {
        await using var guest = await StartAsync("exec sleep 1000");
        using var console = await _console.AcceptAsync(Soon);
        // More than a socket holds: a console that is not read would stop here.
        for (var i = 0; i < 100; i++)
        {
            await SendAsync(console, new string('x', 64 << 10));
        }

        await SendAsync(console, "\u001b[2Jlast");
        LaunchDiagnosis known;
        do
        {
            known = await guest.DiagnoseAsync();
            Soon.ThrowIfCancellationRequested();
        }
        while (!known.Console.Span.EndsWith("x\u001b[2Jlast"u8));

        Assert.Equal(LaunchDiagnosis.MaxOutput, known.Console.Length);
        Assert.Equal("", known.Reason);
    }

    [Theory]
    [InlineData("guest-reset", "it was reset from inside")]
    [InlineData("guest-shutdown", "it switched itself off")]
    [InlineData("guest-panic", "its kernel panicked")]
    [InlineData("host-signal", "QEMU was told by a signal to end (qemu: terminating on signal 15 from pid 7 (kill))")]
    [InlineData("x\\u001b[2J", "QEMU says x\\u001b[2J (qemu: terminating on signal 15 from pid 7 (kill))")]
    public async Task The_cause_of_a_machines_end_is_told_with_QEMUs_words_where_it_has_some(string cause, string reason)
    {
        await using var guest = await StartAsync($"trap 'exit 0' USR1\necho 'qemu: terminating on signal 15 from pid 7 (kill)' >&2\necho $$ >{_folder.At("pid")}\nwhile :; do sleep 0.01; done");
        await _monitor.SendAsync($"{{\"event\": \"SHUTDOWN\", \"data\": {{\"guest\": true, \"reason\": \"{cause}\"}}}}\n");
        await EndAsync(guest, SigUsr1);
        Assert.Equal(reason, (await guest.DiagnoseAsync()).Reason);
    }

    [Theory]
    [InlineData(Abi.SIGKILL, "QEMU was ended by signal 9")]
    [InlineData(SigUsr1, "QEMU ended with code 3 (no room)")]
    public async Task A_QEMU_that_tells_no_cause_is_told_of_by_its_exit(int signal, string reason)
    {
        await using var guest = await StartAsync($"trap 'echo no room >&2; exit 3' USR1\necho $$ >{_folder.At("pid")}\nwhile :; do sleep 0.01; done");
        await EndAsync(guest, signal);
        var known = await guest.DiagnoseAsync();
        Assert.Equal(reason, known.Reason);
        Assert.Equal(signal == Abi.SIGKILL ? "" : "no room\n", System.Text.Encoding.UTF8.GetString(known.Errors.Span));
    }

    [Theory]
    [InlineData("BLOCK_IO_ERROR", "\"node-name\": \"target0\", \"action\": \"stop\", \"nospace\": true, \"reason\": \"No space left on device\"",
        "QEMU stopped it, as its disk /srv/vm1.img cannot be used: No space left on device; make room in the file system that it lies in")]
    [InlineData("BLOCK_IO_ERROR", "\"node-name\": \"x\\u001b\", \"action\": \"stop\", \"reason\": \"\\u001b\"", "QEMU stopped it, as its disk x\\u001b cannot be used: \\u001b")]
    [InlineData("STOP", "", "QEMU stopped it")]
    public async Task A_machine_that_is_stopped_for_its_disk_is_over_and_its_disk_is_named(string kind, string data, string reason)
    {
        await using var guest = await StartAsync("echo 'qemu: warning: of something else' >&2; exec sleep 1000");
        await _monitor.SendAsync("{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"node-name\": \"target0\", \"action\": \"report\", \"reason\": \"I/O error\"}}\n");
        await _monitor.SendAsync($"{{\"event\": \"{kind}\", \"data\": {{{data}}}}}\n");
        await guest.Over.WaitAsync(Soon);
        Assert.Equal(reason, (await guest.DiagnoseAsync()).Reason);
        Assert.True(guest.IsRunning);
    }

    [Fact]
    public void Of_an_output_the_last_bytes_are_kept_in_their_order()
    {
        var tail = new TailBuffer(8);
        Assert.Empty(tail.ToArray());
        var all = new List<byte>();
        for (byte i = 0; i < 40; i++)
        {
            byte[] next = [.. Enumerable.Range(0, i % 12).Select(n => (byte)(i + n))];
            tail.Add(next);
            all.AddRange(next);
            Assert.Equal(all.TakeLast(8), tail.ToArray());
        }
    }

    /// <summary>Ends the script, and the sockets with it, as QEMU's would.</summary>
    private async Task EndAsync(QemuGuest guest, int signal)
    {
        var text = "";
        for (; !text.EndsWith('\n'); text = File.Exists(_folder.At("pid")) ? await File.ReadAllTextAsync(_folder.At("pid"), Soon) : "")
        {
            await Task.Delay(5, Soon);
        }

        Assert.Equal(0, ProcessCalls.Kill(int.Parse(text, System.Globalization.CultureInfo.InvariantCulture), signal));
        await guest.Exited.WaitAsync(Soon);
        _monitor.HangUp();
        _console.Dispose();
    }

    private static async Task SendAsync(Socket socket, string text)
    {
        for (ReadOnlyMemory<byte> rest = System.Text.Encoding.UTF8.GetBytes(text); !rest.IsEmpty;)
        {
            rest = rest[await socket.SendAsync(rest, SocketFlags.None, Soon)..];
        }
    }
}
