using System.Diagnostics;
using System.Net.Sockets;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Cli.Commands;

/// <summary>The standard streams of a command, a terminal or pipes, and the console of a machine. What the guest writes goes through as it is, as a terminal is what it is for.</summary>
internal static class ConsoleLink
{
    /// <summary>Ctrl-], as telnet and xl have it.</summary>
    private const byte Escape = 0x1D;

    private const int BufferBytes = 4096;

    /// <summary>Connects both until the machine has ended or the escape was typed. The end of the input is no end.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointMissing"/> or <see cref="ChannelError.EndpointBusy"/>: the console cannot be had.</exception>
    public static async Task<int> RunAsync(RunningMachine machine, ToolStreams streams, ToolSignals signals, CancellationToken cancellationToken)
    {
        if (machine.ConsoleCommand.Count > 0)
        {
            using var tool = Process.Start(machine.ConsoleCommand[0], machine.ConsoleCommand.Skip(1));
            await tool.WaitForExitAsync(cancellationToken);
            return tool.ExitCode == 0 ? ExitCode.Ok : ExitCode.Failed;
        }

        using var socket = await ConnectAsync(machine, cancellationToken);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var settings = Console.IsInputRedirected ? null : Stty("-g").Trim();
        try
        {
            if (settings is not null)
            {
                await Console.Error.WriteLineAsync($"console of {machine.Instance}; Ctrl-] ends it");
                Stty("raw", "-echo");
            }

            streams.OnReaderGone(() => signals.End(ExitCode.ReaderGone));
            var typed = TypeAsync(streams.StandardInput, socket, end.Token);
            await await Task.WhenAny(ShowAsync(socket, streams.StandardOutput, end.Token), typed);
            return ExitCode.Ok;
        }
        finally
        {
            await end.CancelAsync();
            if (settings is not null)
            {
                Stty(settings);
            }
        }
    }

    private static async Task<Socket> ConnectAsync(RunningMachine machine, CancellationToken cancellationToken)
    {
        var path = machine.ConsoleSocket ?? "";
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return await AcceptQueue.WaitAsync(socket.SafeHandle, cancellationToken) ? socket : throw AcceptQueue.Busy(path);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException or ArgumentException ? new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry, $"the console {path} of {machine.Instance} cannot be reached: {FileFault.Describe(e)}", e) : e;
        }
    }

    private static async Task ShowAsync(Socket socket, Stream output, CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken) is > 0 and var count)
            {
                await output.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            }
        }
        catch (SocketException)
        {
            // The machine has ended.
        }
    }

    private static async Task TypeAsync(Stream input, Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferBytes];
        // A read of a standard stream cannot be cancelled: it is left alone.
        while (await input.ReadAsync(buffer, CancellationToken.None).AsTask().WaitAsync(cancellationToken) is > 0 and var count)
        {
            var typed = buffer.AsMemory(0, count);
            var at = typed.Span.IndexOf(Escape);
            for (var rest = at < 0 ? typed : typed[..at]; !rest.IsEmpty;)
            {
                rest = rest[await socket.SendAsync(rest, SocketFlags.None, cancellationToken)..];
            }

            if (at >= 0)
            {
                return;
            }
        }

        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    /// <summary>Asks or changes the settings of the terminal that standard input is.</summary>
    private static string Stty(params string[] arguments)
    {
        using var stty = Process.Start(new ProcessStartInfo("stty", arguments) { RedirectStandardOutput = true })!;
        var output = stty.StandardOutput.ReadToEnd();
        stty.WaitForExit();
        return output;
    }
}
