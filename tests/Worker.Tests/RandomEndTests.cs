using System.Buffers.Binary;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Native;
using Google.Protobuf.WellKnownTypes;

namespace ChannelSdk.Worker.Tests;

/// <summary>Workers that are ended at random while their instances transfer.</summary>
public sealed class RandomEndTests
{
    private const int Instances = 50;
    private const int SigStop = 19;

    private static readonly InstanceOptions s_options = new() { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = WorkerPrograms.Worker } };
    private static readonly TimeSpan s_time = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") == "1" ? TimeSpan.FromMinutes(2) : TimeSpan.FromSeconds(12);

    [Fact]
    public async Task Fifty_instances_lose_and_double_no_message_while_their_workers_are_killed_and_stopped()
    {
        using var all = new CancellationTokenSource(s_time + TimeSpan.FromMinutes(1));
        using var stopping = new CancellationTokenSource(s_time);
        await using var host = new ChannelHost();
        var guests = new List<EchoGuest>();
        try
        {
            var vms = new List<Instance>();
            for (var i = 0; i < Instances; i++)
            {
                guests.Add(new EchoGuest());
                vms.Add(host.Attach($"vm{i}", guests[i].HostUri, s_options));
            }

            foreach (var vm in vms)
            {
                await vm.WaitReadyAsync(all.Token);
            }

            var sessions = vms.ConvertAll(static vm => vm.Channel.Status.SessionId);
            var transfers = vms.ConvertAll(vm => TransferAsync(vm, stopping.Token, all.Token));
            var ended = await EndWorkersAsync(vms, stopping.Token);
            var messages = await Task.WhenAll(transfers);
            Assert.All(messages, static count => Assert.True(count > 0));
            Assert.Equal(sessions, vms.ConvertAll(static vm => vm.Channel.Status.SessionId));
            Assert.True(ended > Instances / 2, $"{ended} workers were ended");
            Assert.True(vms.Sum(static vm => vm.Channel.Status.Resumes) >= ended / 2, "sessions were resumed");
        }
        finally
        {
            foreach (var guest in guests)
            {
                await guest.DisposeAsync();
            }
        }
    }

    /// <summary>Numbered messages of a stream come back, each once and in order, until no more are to be sent.</summary>
    private static async Task<int> TransferAsync(Instance vm, CancellationToken stopping, CancellationToken all)
    {
        await using var stream = await vm.Channel.OpenStreamAsync(EchoGuest.EchoStream, new Empty(), cancellationToken: all);
        var writing = WriteAsync();
        var expected = 0;
        while (true)
        {
            using var echo = await stream.ReadAsync(all);
            if (echo.IsEnd)
            {
                break;
            }

            Assert.Equal(expected++, BinaryPrimitives.ReadInt32LittleEndian(echo.Span));
        }

        Assert.Equal(await writing, expected);
        return expected;

        async Task<int> WriteAsync()
        {
            var (random, number) = (new Random(vm.Name.GetHashCode(StringComparison.Ordinal)), 0);
            while (!stopping.IsCancellationRequested)
            {
                var message = new byte[random.Next(4, 20_000)];
                BinaryPrimitives.WriteInt32LittleEndian(message, number++);
                await stream.WriteAsync(message, all);
                await Task.Delay(random.Next(20), all);
            }

            await stream.CompleteAsync(all);
            return number;
        }
    }

    private static async Task<int> EndWorkersAsync(List<Instance> vms, CancellationToken stopping)
    {
        var (random, ended) = (new Random(1), 0);
        while (!stopping.IsCancellationRequested)
        {
            if (vms[random.Next(vms.Count)].Status.Worker is { } worker)
            {
                // One that is stopped is noticed after five seconds.
                ended += ProcessCalls.Kill(worker.ProcessId, random.Next(20) == 0 ? SigStop : Abi.SIGKILL) == 0 ? 1 : 0;
            }

            await Task.Delay(random.Next(200), CancellationToken.None);
        }

        return ended;
    }
}
