// Prints what a guest says of itself: dotnet run --project examples/info -- virtio-serial:///run/vm1.sock
using System.Diagnostics.Metrics;
using ChannelSdk.Host;
using Microsoft.Extensions.Logging;

using var metrics = new MeterListener { InstrumentPublished = (i, listener) => { if (i.Meter.Name == "ChannelSdk.Host") { listener.EnableMeasurementEvents(i); } } };
metrics.SetMeasurementEventCallback<long>((i, value, _, _) => Console.WriteLine($"metric {i.Name} {value} {i.Unit}"));
metrics.Start();
using var loggers = LoggerFactory.Create(logging => logging.AddSimpleConsole(options => options.SingleLine = true));
await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = loggers });
var vm = host.Attach("vm1", args[0]);
await vm.WaitReadyAsync(TimeSpan.FromSeconds(10));
var info = await vm.Info.GetAsync();
Console.WriteLine($"{info.HostName}: {info.Os?.PrettyName}, {info.Kernel?.Release}, up {info.Uptime}");
metrics.RecordObservableInstruments();
Console.WriteLine($"assemblies: {string.Join(' ', AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetName().Name).Order())}");
