using System.Collections.Concurrent;
using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>channelctl as a process whose standard streams are closed, whose reader goes, and that gets signals.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ToolStreamTests : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly ConcurrentDictionary<object, string> _programs = [];
    private readonly GuestDouble _guest;

    public ToolStreamTests() => _guest = new GuestDouble(services => services.Stream(ExecMethods.Run, RunAsync));

    [Theory]
    [InlineData(141, "exec {0} -- yes | head -n 1")]
    [InlineData(141, "exec {0} -- sleep | head -c 0")]
    [InlineData(141, "watch {0} | head -n 1")]
    [InlineData(0, "exec {0} -- cat <&- | cat")]
    [InlineData(0, "exec {0} -- cat >&- </dev/null | cat")]
    [InlineData(0, "exec {0} -- cat <&- 2>&- | cat")]
    [InlineData(0, "info {0} >&- 2>&- <&- | cat")]
    [InlineData(5, "info {0} >/dev/full | cat")]
    [InlineData(125, "exec {0} -- yes >/dev/full | cat")]
    public async Task A_closed_or_broken_stream_ends_a_command_with_its_documented_code(int code, string line)
    {
        using var shell = Start("bash", "-c", $"dotnet {Tool} {string.Format(null, line, _guest.Uri)}; exit ${{PIPESTATUS[0]}}");
        var error = shell.StandardError.ReadToEndAsync();
        await shell.WaitForExitAsync().WaitAsync(s_patience);
        Assert.DoesNotContain("   at ", await error);
        Assert.Equal(code, shell.ExitCode);
        await WaitAsync(() => _programs.IsEmpty);
    }

    [Theory]
    [InlineData(129, "HUP", "exec")]
    [InlineData(130, "INT", "exec")]
    [InlineData(131, "QUIT", "exec")]
    [InlineData(143, "TERM", "exec")]
    [InlineData(137, "KILL", "exec")]
    [InlineData(129, "HUP", "watch")]
    [InlineData(130, "INT", "watch")]
    [InlineData(131, "QUIT", "watch")]
    [InlineData(143, "TERM", "watch")]
    [InlineData(143, "TERM", "cp")]
    [InlineData(130, "INT", "cp")]
    public async Task A_signal_ends_a_command_with_its_number_and_leaves_nothing_behind(int code, string signal, string command)
    {
        string[] rest = command switch
        {
            "exec" => [_guest.Uri, "--", "sleep"],
            "watch" => [_guest.Uri],
            _ => ["unix:///nonexistent/x.sock", "--timeout", "600", "-", "guest:/x"],
        };
        using var tool = Start("dotnet", [Tool, command, .. rest]);
        var output = tool.StandardOutput;
        await (command switch
        {
            "exec" => WaitAsync(() => !_programs.IsEmpty),
            "watch" => output.ReadLineAsync().WaitAsync(s_patience),
            _ => Task.Delay(TimeSpan.FromSeconds(2)),
        });
        using (var kill = Process.Start("kill", $"-{signal} {tool.Id}"))
        {
            await kill.WaitForExitAsync();
        }

        await tool.WaitForExitAsync().WaitAsync(s_patience);
        Assert.Equal("", await tool.StandardError.ReadToEndAsync());
        Assert.Equal(code, tool.ExitCode);
        if (signal != "KILL")
        {
            await WaitAsync(() => _programs.IsEmpty);
        }
    }

    public ValueTask DisposeAsync() => _guest.DisposeAsync();

    private static string Tool => Path.Combine(AppContext.BaseDirectory, "channelctl.dll");

    private static Process Start(string program, params string[] arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static async Task WaitAsync(Func<bool> isSo)
    {
        var start = Stopwatch.StartNew();
        while (!isSo())
        {
            Assert.True(start.Elapsed < s_patience, "it did not come about in time");
            await Task.Delay(10);
        }
    }

    /// <summary>cat, yes and sleep of this double.</summary>
    private async ValueTask RunAsync(ExecRequest request, ChannelStream stream, CallContext context)
    {
        var program = request.Argv[0].ToStringUtf8();
        await stream.WriteAsync((byte[])[3, .. new ExecStarted { Run = 1, Pid = 1 }.ToByteArray()]);
        _programs[context] = program;
        try
        {
            while (program == "yes")
            {
                await stream.WriteAsync(new byte[] { 1, (byte)'y', (byte)'\n' }, context.CancellationToken);
            }

            while (true)
            {
                using var message = await stream.ReadAsync(context.CancellationToken);
                if (message.IsEnd || (message.Span.Length == 1 && program == "cat"))
                {
                    break;
                }
            }

            await stream.WriteAsync(new byte[] { 4 }, context.CancellationToken);
        }
        finally
        {
            _programs.TryRemove(context, out _);
        }
    }
}
