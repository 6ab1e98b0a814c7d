using System.IO.Hashing;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Disks in a fake appliance, whose data is moved as an agent does it, and a half that ends when all is moved.</summary>
internal sealed class FakeDisks
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool _isExport;

    public FakeDisks(bool isExport, params byte[][] contents)
    {
        (_isExport, Contents) = (isExport, contents);
        Appliance = new FakeAppliance(RunAsync) { Data = ServeAsync };
    }

    public FakeAppliance Appliance { get; }

    public byte[][] Contents { get; }

    /// <summary>Whether the half says how much its data will be.</summary>
    public bool TellsSize { get; init; }

    /// <summary>The device names that the half was given.</summary>
    public IReadOnlyList<string> Devices { get; private set; } = [];

    /// <summary>Changes the end of a disk's data before it is told.</summary>
    public Action<DataEnd>? Lie { get; init; }

    private async Task<ScriptEnded> RunAsync(FakeScript script)
    {
        Devices = [.. script.Request.DataDevices];
        await _done.Task.WaitAsync(script.Ended);
        return InstallRig.Well;
    }

    private async Task ServeAsync(DataRequest request, ChannelStream stream, InstallStream run, CancellationToken cancel)
    {
        var disk = (int)request.Index;
        if (_isExport)
        {
            if (TellsSize)
            {
                await run.WriteAsync(InstallMessage.DataSize, new DataSize { Index = request.Index, Bytes = (ulong)Contents[disk].Length });
            }

            for (var at = 0; at < Contents[disk].Length; at += 50_000)
            {
                await stream.WriteAsync(Contents[disk].AsMemory(at, Math.Min(50_000, Contents[disk].Length - at)), cancel);
            }

            await stream.CompleteAsync(cancel);
        }
        else
        {
            Contents[disk] = await ReadAllAsync(stream, cancel);
        }

        var end = new DataEnd { Index = request.Index, Bytes = (ulong)Contents[disk].Length, Hash = XxHash3.HashToUInt64(Contents[disk]) };
        Lie?.Invoke(end);
        await run.WriteAsync(InstallMessage.DataEnd, end);
        if (disk == Contents.Length - 1)
        {
            _done.SetResult();
        }
    }

    private static async Task<byte[]> ReadAllAsync(ChannelStream stream, CancellationToken cancel)
    {
        using var all = new MemoryStream();
        while (true)
        {
            using var message = await stream.ReadAsync(cancel);
            if (message.IsEnd)
            {
                return all.ToArray();
            }

            all.Write(message.Span);
        }
    }
}
