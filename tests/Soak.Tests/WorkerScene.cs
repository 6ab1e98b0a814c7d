using System.Diagnostics;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;

namespace ChannelSdk.Soak.Tests;

/// <summary>
/// A host with many quiet instances and some hostile ones, each with a worker where it can have one. Guests and attackers are other processes: what this
/// one has is the host's.
/// </summary>
internal sealed class WorkerScene : IAsyncDisposable
{
    private static readonly TimeSpan s_met = TimeSpan.FromMinutes(1);
    private static readonly string s_program = Path.ChangeExtension(typeof(WorkerScene).Assembly.Location, null);

    private readonly string _folder;
    private readonly ChannelHost _host;
    private readonly Process _guests;
    private readonly HostileTargets _targets;

    private WorkerScene(string folder, ChannelHost host, Process guests, QuietInstances quiet)
    {
        (_folder, _host, _guests, Quiet) = (folder, host, guests, quiet);
        Hostile = new HostileInstance(host, folder);
        _targets = new HostileTargets(host, folder, Options);
    }

    /// <summary>The instances that must notice nothing.</summary>
    internal QuietInstances Quiet { get; }

    /// <summary>The one that is attacked.</summary>
    internal HostileInstance Hostile { get; }

    private static InstanceOptions Options => new() { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = WorkerPrograms.Worker } };

    /// <summary>Starts all of it, and waits until the quiet ones are up.</summary>
    /// <param name="folder">Of the sockets.</param>
    /// <param name="quiet">How many are quiet.</param>
    /// <param name="pause">Time between an answer and the next ping.</param>
    internal static async Task<WorkerScene> StartAsync(string folder, int quiet, TimeSpan pause)
    {
        var host = new ChannelHost();
        var guests = await StartAsync([s_program, "guests", folder, $"{quiet}"]);
        var scene = new WorkerScene(folder, host, guests, new QuietInstances(host, folder, quiet, pause, Options));
        await scene.Quiet.StartAsync();
        return scene;
    }

    /// <summary>Has an attack made for a time, from when the host has met it, and longer if the host is to end the worker for it.</summary>
    /// <param name="attack">The attack.</param>
    /// <param name="time">How long.</param>
    /// <returns>What is not as it should be; null: nothing. The p99 of the quiet ones meanwhile, in milliseconds.</returns>
    internal async Task<(string? Wrong, double P99)> DuringAsync(Attack attack, TimeSpan time)
    {
        Hostile.TakeOver(attack.IsOfWorker);
        // It gets the processor only when it is idle: the measure is the host's work for it.
        using var attacker = await StartAsync(["/usr/bin/chrt", "--idle", "0", s_program, "attack", attack.Name, _folder]);
        try
        {
            Quiet.TakeP99();
            await Task.Delay(time);
            var p99 = Quiet.TakeP99();
            var wrong = attack.Ends is { } ends && !await Hostile.HasEndedAsync(ends) ? $"the host did not say '{ends}', but '{Hostile.LastError}'"
                : attacker.HasExited ? $"the attacker has ended: {await attacker.StandardError.ReadToEndAsync()}"
                : null;
            return (wrong, p99);
        }
        finally
        {
            attacker.Kill();
            await attacker.WaitForExitAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Hostile.DisposeAsync();
        await _targets.DisposeAsync();
        await Quiet.DisposeAsync();
        await _host.DisposeAsync();
        _guests.Kill();
        await _guests.WaitForExitAsync();
        _guests.Dispose();
    }

    /// <summary>Starts a program and waits for its first line.</summary>
    private static async Task<Process> StartAsync(string[] command)
    {
        var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            Assert.NotNull(await process.StandardOutput.ReadLineAsync().WaitAsync(s_met));
        }
        catch
        {
            process.Kill();
            process.Dispose();
            throw;
        }

        return process;
    }
}
