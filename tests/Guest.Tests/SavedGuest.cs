using System.Net.Sockets;
using System.Text;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>Boots the test guest once, with its agent running, and saves it; each test gets a copy in a fraction of a boot.</summary>
public class SavedGuest : IAsyncLifetime
{
    private QemuOptions _options = null!;

    public SavedGuest() => State = Path.Combine(Path.GetTempPath(), $"channelsdk-{GetType().Name}-{Environment.ProcessId}.state");

    /// <summary>The file with the saved guest.</summary>
    public string State { get; }

    public async Task InitializeAsync()
    {
        await TestGuestFiles.BuildAsync();
        var root = FindRoot();
        _options = Adapt(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(root, ".cache/guest/vmlinuz"),
            Initrd = Path.Combine(root, ".cache/guest/initrd"),
            MemoryMiB = 128,
        });
        await using var guest = await QemuGuest.StartAsync(_options, Soon);
        await using (var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket))
        {
            await console.WaitForAsync("GUEST-READY");
            Assert.Contains("\"state\":\"ready\"", await console.ShAsync(
                "i=0; until channel-agent status --json 2>/dev/null | grep '\"state\":\"ready\"' || [ $i = 100 ]; do usleep 100000; i=$((i+1)); done"));
        }

        await guest.SaveAsync(State, cancellationToken: Soon);
    }

    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(120)).Token;

    /// <summary>A guest whose agent runs and has never seen a host.</summary>
    public Task<QemuGuest> RestoreAsync() => RestoreFromAsync(State);

    /// <summary>A copy with other options.</summary>
    public Task<QemuGuest> RestoreAsync(Func<QemuOptions, QemuOptions> change) => QemuGuest.StartAsync(change(_options) with { RestoreFrom = State }, Soon);

    /// <summary>A guest from a state that a test saved.</summary>
    public Task<QemuGuest> RestoreFromAsync(string state) => QemuGuest.StartAsync(_options with { RestoreFrom = state }, Soon);

    /// <summary>The same guest booted from its kernel, with further devices.</summary>
    public Task<QemuGuest> BootAsync(params string[] arguments) => BootAsync(options => options with { Arguments = arguments });

    /// <summary>The same guest with other options, booted from its kernel.</summary>
    public Task<QemuGuest> BootAsync(Func<QemuOptions, QemuOptions> change) => QemuGuest.StartAsync(change(_options), Soon);

    /// <summary>The guest's options, for a fixture with its own guest.</summary>
    protected virtual QemuOptions Adapt(QemuOptions options) => options;

    public virtual Task DisposeAsync()
    {
        File.Delete(State);
        return Task.CompletedTask;
    }

    internal static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "ChannelSdk.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests run outside of the repository");
        }

        return folder;
    }
}

[CollectionDefinition("guest", DisableParallelization = true)]
public class GuestCollection : ICollectionFixture<SavedGuest>;

/// <summary>The shell on the guest's serial console.</summary>
public sealed class GuestConsole : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly StringBuilder _seen = new();
    private readonly byte[] _buffer = new byte[4096];
    private int _commands;

    private GuestConsole(Socket socket) => _socket = socket;

    public static async Task<GuestConsole> ConnectAsync(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), SavedGuest.Soon);
        return new GuestConsole(socket);
    }

    /// <summary>Reads until the text has come; returns what came before it.</summary>
    /// <param name="text">What is waited for.</param>
    /// <param name="patience">How long; null for two minutes.</param>
    public async Task<string> WaitForAsync(string text, TimeSpan? patience = null)
    {
        using var limit = new CancellationTokenSource(patience ?? TimeSpan.FromMinutes(2));
        while (true)
        {
            var seen = _seen.ToString();
            var at = seen.IndexOf(text, StringComparison.Ordinal);
            if (at >= 0)
            {
                _seen.Clear().Append(seen.AsSpan(at + text.Length));
                return seen[..at];
            }

            int count;
            try
            {
                count = await _socket.ReceiveAsync(_buffer, limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"waited for '{text}'; the console's last words: {seen[Math.Max(0, seen.Length - 1500)..]}");
            }

            if (count == 0)
            {
                throw new InvalidOperationException($"the guest has gone; waited for '{text}'; the console's last words: {seen}");
            }

            _seen.Append(Encoding.UTF8.GetString(_buffer, 0, count).Replace("\r", "", StringComparison.Ordinal));
        }
    }

    /// <summary>Runs a command; returns its output.</summary>
    public async Task<string> ShAsync(string command, TimeSpan? patience = null)
    {
        var mark = $"DONE-{++_commands}-";
        var telling = $"echo \"\"{mark[..2]}\"\"{mark[2..]}";
        await _socket.SendAsync(Encoding.UTF8.GetBytes($"{command}\n{telling}\n"));
        // The terminal shows what is typed before or after the command's output, as the guest's shell happens to read it.
        return (await WaitForAsync(mark, patience)).Replace(telling, "", StringComparison.Ordinal).Trim();
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
