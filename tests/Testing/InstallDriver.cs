using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Testing;

/// <summary>Drives install.Run as a host does, message by message.</summary>
public sealed class InstallDriver : IAsyncDisposable
{
    private readonly ChannelStream _stream;
    private readonly CancellationToken _soon;
    private bool _movesData;

    private InstallDriver(ChannelStream stream, ByteString operation, CancellationToken soon) =>
        (_stream, Operation, _soon) = (stream, operation, soon);

    public ByteString Operation { get; }

    public string Action { get; private init; } = "create";

    public InstallStream Out { get; private init; } = null!;

    public StringBuilder Output { get; } = new();

    public StringBuilder Error { get; } = new();

    public List<InstallProgress> Progress { get; } = [];

    public List<InstallLog> Log { get; } = [];

    public byte[]? Result { get; private set; }

    public ScriptEnded? Ended { get; private set; }

    /// <summary>Opens an operation and sends its script; starts it.</summary>
    public static async Task<InstallDriver> StartAsync(Channel channel, string script, Action<InstallRunRequest>? change = null)
    {
        var driver = await OpenAsync(channel, change);
        await driver.AddAsync(driver.Action, "#!/bin/sh\n" + script);
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        if (driver._movesData)
        {
            await driver.UntilAsync(InstallMessage.DataReady);
        }

        return driver;
    }

    public static async Task<InstallDriver> OpenAsync(Channel channel, Action<InstallRunRequest>? change = null)
    {
        var request = new InstallRunRequest { Operation = ByteString.CopyFrom(Guid.NewGuid().ToByteArray()), Action = "create", Instance = "vm 1" };
        change?.Invoke(request);
        var soon = new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;
        var stream = await channel.OpenStreamAsync(InstallMethods.Run, request, cancellationToken: soon);
        return new InstallDriver(stream, request.Operation, soon) { Out = new InstallStream(stream), Action = request.Action, _movesData = request.DataDevices.Count > 0 };
    }

    public async Task AddAsync(string name, string content, bool isExecutable = true) => await Out.WriteAsync(
        InstallMessage.Script, new InstallScript { Name = name, IsExecutable = isExecutable, Content = ByteString.CopyFromUtf8(content) });

    /// <summary>Reads until a message of one kind has come; the others are kept.</summary>
    public async Task<byte[]> UntilAsync(InstallMessage kind)
    {
        while (await NextAsync() is { } message)
        {
            if (message.Kind == kind)
            {
                return message.Content;
            }
        }

        throw new InvalidOperationException($"the stream ended without a {kind}");
    }

    /// <summary>Reads to the half's end, half-closes, and reads to the stream's.</summary>
    public async Task<ScriptEnded> FinishAsync()
    {
        await UntilAsync(InstallMessage.Ended);
        await Out.CompleteAsync();
        Assert.Null(await NextAsync());
        return Ended!;
    }

    /// <summary>The error that the guest ends the stream with.</summary>
    public async Task<ChannelException> FailAsync() => await Assert.ThrowsAsync<ChannelException>(async () =>
    {
        while (await NextAsync() is not null)
        {
        }
    });

    public async Task<(InstallMessage Kind, byte[] Content)?> NextAsync()
    {
        using var message = await Out.ReadAsync(_soon);
        if (message.IsEnd)
        {
            return null;
        }

        var kind = (InstallMessage)message.Span[0];
        var content = message.Span[1..].ToArray();
        switch (kind)
        {
            case InstallMessage.Output:
                Output.Append(Encoding.UTF8.GetString(content));
                break;
            case InstallMessage.Error:
                Error.Append(Encoding.UTF8.GetString(content));
                break;
            case InstallMessage.Progress:
                Progress.Add(InstallProgress.Parser.ParseFrom(content));
                break;
            case InstallMessage.Log:
                Log.Add(InstallLog.Parser.ParseFrom(content));
                break;
            case InstallMessage.Result:
                Result = content;
                break;
            case InstallMessage.Ended:
                Ended = ScriptEnded.Parser.ParseFrom(content);
                break;
        }

        return (kind, content);
    }

    /// <summary>Resets the stream if it has not ended.</summary>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();
}
