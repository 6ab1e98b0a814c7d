using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.InXen;

/// <summary>A domain's channel in a confined process: the granted memory is mapped there, and dom0's program finds the domain.</summary>
public class WorkerTests
{
    // Where tests/Xen.Tests puts it.
    private const string Program = "/tmp/channel-worker";
    private const string Granted = "/xen/gntdev";

    private static CancellationToken Soon => TestDomain.Soon;

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task The_memory_of_a_domain_is_mapped_by_its_worker_by_the_next_one_and_by_no_other_process(XenDomainType type)
    {
        await using var domain = await TestDomain.StartAsync("worker", type, new InstanceOptions { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = Program } });
        var vm = domain.Instance;
        await vm.Measure.SendAsync(1 << 20, null, Soon);
        await vm.Measure.ReceiveAsync(1 << 20, null, Soon);
        for (var round = 0; round < 3; round++)
        {
            var worker = vm.Status.Worker!;
            Console.WriteLine($"REPORT {type}, worker {worker.ProcessId}: {(worker.Confinement.Gaps.Count == 0 ? "all measures hold" : string.Join("; ", worker.Confinement.Gaps.Select(static gap => gap.Why)))}");
            Assert.Contains(Granted, await File.ReadAllTextAsync($"/proc/{worker.ProcessId}/maps", Soon), StringComparison.Ordinal);
            Assert.DoesNotContain(Granted, await File.ReadAllTextAsync("/proc/self/maps", Soon), StringComparison.Ordinal);
            Assert.DoesNotContain(Directory.EnumerateFiles("/proc/self/fd").Select(static fd => new FileInfo(fd).LinkTarget ?? ""), static target => target.EndsWith(Granted, StringComparison.Ordinal));
            // A link that is cut makes another of fresh pages, in the same worker.
            var resumes = vm.Status.Channel.Resumes;
            vm.Channel.DropLink("the test");
            await vm.Info.PingAsync(Soon);
            Assert.True(vm.Status.Channel.Resumes > resumes);
            Assert.Equal(worker.ProcessId, vm.Status.Worker!.ProcessId);

            Assert.Equal(0, ProcessCalls.Kill(worker.ProcessId, Abi.SIGKILL));
            await PingAsync(vm);
            Assert.NotEqual(worker.ProcessId, vm.Status.Worker!.ProcessId);
        }

        // No event comes of it: xenstore tells dom0's program, which tells the worker.
        var events = vm.WatchAsync(Soon).GetAsyncEnumerator(Soon);
        var lost = LostAsync(events);
        await domain.Guest.DestroyAsync(TimeSpan.FromSeconds(60));
        var since = Stopwatch.GetTimestamp();
        await lost;
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 2);
    }

    private static async Task PingAsync(Instance vm)
    {
        while (true)
        {
            try
            {
                await vm.Info.PingAsync(Soon);
                return;
            }
            catch (ChannelException e) when (e.Code == ChannelError.WorkerFailed)
            {
                // It was under way when the worker ended.
            }
        }
    }

    private static async Task LostAsync(IAsyncEnumerator<ChannelEvent> events)
    {
        do
        {
            Assert.True(await events.MoveNextAsync());
        }
        while (events.Current.Kind != ChannelEventKind.LinkLost);
        await events.DisposeAsync();
    }
}
