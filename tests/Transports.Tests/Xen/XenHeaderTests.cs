using System.Diagnostics;
using System.Runtime.InteropServices;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Store;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>Numbers, sizes and places, as a C compiler reads them from the headers of the kernel and of Xen.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class XenHeaderTests
{
    private const string Program = """
        #include <stddef.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <sys/ioctl.h>
        #include <xen/xen.h>
        #include "/usr/include/xen/evtchn.h"
        #include "/usr/include/xen/gntalloc.h"
        #include <xen/io/xs_wire.h>
        #include <xen/io/libxenvchan.h>
        #define SHOW(name, value) printf("%s=%lu\n", name, (unsigned long)(value))
        int main(void) {
            SHOW("bind", IOCTL_EVTCHN_BIND_INTERDOMAIN); SHOW("unbound", IOCTL_EVTCHN_BIND_UNBOUND_PORT); SHOW("notify", IOCTL_EVTCHN_NOTIFY); SHOW("restrict", IOCTL_EVTCHN_RESTRICT_DOMID);
            SHOW("alloc", IOCTL_GNTALLOC_ALLOC_GREF); SHOW("unmap", IOCTL_GNTALLOC_SET_UNMAP_NOTIFY);
            SHOW("writable", GNTALLOC_FLAG_WRITABLE); SHOW("action", UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT);
            SHOW("bind.size", sizeof(struct ioctl_evtchn_bind_interdomain)); SHOW("bind.port", offsetof(struct ioctl_evtchn_bind_interdomain, remote_port));
            SHOW("alloc.count", offsetof(struct ioctl_gntalloc_alloc_gref, count)); SHOW("alloc.index", offsetof(struct ioctl_gntalloc_alloc_gref, index));
            SHOW("alloc.refs", offsetof(struct ioctl_gntalloc_alloc_gref, gref_ids));
            SHOW("unmap.size", sizeof(struct ioctl_gntalloc_unmap_notify)); SHOW("unmap.action", offsetof(struct ioctl_gntalloc_unmap_notify, action));
            SHOW("unmap.port", offsetof(struct ioctl_gntalloc_unmap_notify, event_channel_port));
            SHOW("left", offsetof(struct vchan_interface, left)); SHOW("right", offsetof(struct vchan_interface, right));
            SHOW("cons", offsetof(struct ring_shared, cons)); SHOW("prod", offsetof(struct ring_shared, prod));
            SHOW("left_order", offsetof(struct vchan_interface, left_order)); SHOW("right_order", offsetof(struct vchan_interface, right_order));
            SHOW("cli_live", offsetof(struct vchan_interface, cli_live)); SHOW("srv_live", offsetof(struct vchan_interface, srv_live));
            SHOW("cli_notify", offsetof(struct vchan_interface, cli_notify)); SHOW("srv_notify", offsetof(struct vchan_interface, srv_notify));
            SHOW("grants", offsetof(struct vchan_interface, grants));
            SHOW("tell_write", VCHAN_NOTIFY_WRITE); SHOW("tell_read", VCHAN_NOTIFY_READ);
            SHOW("message", sizeof(struct xsd_sockmsg)); SHOW("message.id", offsetof(struct xsd_sockmsg, req_id));
            SHOW("message.tx", offsetof(struct xsd_sockmsg, tx_id)); SHOW("message.len", offsetof(struct xsd_sockmsg, len)); SHOW("payload", XENSTORE_PAYLOAD_MAX);
            SHOW("directory", XS_DIRECTORY); SHOW("read", XS_READ); SHOW("get_perms", XS_GET_PERMS); SHOW("watch", XS_WATCH); SHOW("write", XS_WRITE);
            SHOW("mkdir", XS_MKDIR); SHOW("rm", XS_RM); SHOW("set_perms", XS_SET_PERMS); SHOW("watch_event", XS_WATCH_EVENT); SHOW("error", XS_ERROR);
            SHOW("introduced", XS_IS_DOMAIN_INTRODUCED);
            return 0;
        }
        """;

    /// <summary>gntdev.h and gntalloc.h both define the UNMAP_NOTIFY words, so it has its own program.</summary>
    private const string MapProgram = """
        #include <stddef.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <sys/ioctl.h>
        #include <xen/xen.h>
        #include <xen/grant_table.h>
        #include "/usr/include/xen/gntdev.h"
        #define SHOW(name, value) printf("%s=%lu\n", name, (unsigned long)(value))
        int main(void) {
            SHOW("map", IOCTL_GNTDEV_MAP_GRANT_REF); SHOW("unmap", IOCTL_GNTDEV_SET_UNMAP_NOTIFY);
            SHOW("map.index", offsetof(struct ioctl_gntdev_map_grant_ref, index)); SHOW("map.refs", offsetof(struct ioctl_gntdev_map_grant_ref, refs));
            SHOW("ref.size", sizeof(struct ioctl_gntdev_grant_ref)); SHOW("ref.ref", offsetof(struct ioctl_gntdev_grant_ref, ref));
            SHOW("unmap.size", sizeof(struct ioctl_gntdev_unmap_notify)); SHOW("unmap.action", offsetof(struct ioctl_gntdev_unmap_notify, action));
            SHOW("unmap.port", offsetof(struct ioctl_gntdev_unmap_notify, event_channel_port)); SHOW("action", UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT);
            return 0;
        }
        """;

    [Fact]
    public void What_the_headers_say_is_what_the_code_has()
    {
        Assert.Equal(
            new Dictionary<string, long>
            {
                ["bind"] = XenIoctl.EvtchnBindInterdomain,
                ["unbound"] = XenIoctl.EvtchnBindUnboundPort,
                ["notify"] = XenIoctl.EvtchnNotify,
                ["restrict"] = XenIoctl.EvtchnRestrictDomain,
                ["alloc"] = XenIoctl.GntallocAllocGref,
                ["unmap"] = XenIoctl.SetUnmapNotify,
                ["writable"] = XenIoctl.FlagWritable,
                ["action"] = XenIoctl.ClearByteAndSendEvent,
                ["bind.size"] = Marshal.SizeOf<EvtchnBindInterdomain>(),
                ["bind.port"] = At<EvtchnBindInterdomain>(nameof(EvtchnBindInterdomain.RemotePort)),
                ["alloc.count"] = At<GntallocHeader>(nameof(GntallocHeader.Count)),
                ["alloc.index"] = At<GntallocHeader>(nameof(GntallocHeader.Index)),
                ["alloc.refs"] = Marshal.SizeOf<GntallocHeader>(),
                ["unmap.size"] = Marshal.SizeOf<UnmapNotify>(),
                ["unmap.action"] = At<UnmapNotify>(nameof(UnmapNotify.Action)),
                ["unmap.port"] = At<UnmapNotify>(nameof(UnmapNotify.EventPort)),
                ["left"] = VchanLayout.LeftConsumed,
                ["right"] = VchanLayout.RightConsumed,
                ["cons"] = VchanLayout.LeftConsumed,
                ["prod"] = VchanLayout.LeftProduced,
                ["left_order"] = VchanLayout.LeftOrder,
                ["right_order"] = VchanLayout.RightOrder,
                ["cli_live"] = VchanLayout.ClientLive,
                ["srv_live"] = VchanLayout.ServerLive,
                ["cli_notify"] = VchanLayout.Flags + 2,
                ["srv_notify"] = VchanLayout.Flags + 3,
                ["grants"] = VchanLayout.Grants,
                ["tell_write"] = VchanLayout.TellWritten,
                ["tell_read"] = VchanLayout.TellConsumed,
                ["message"] = StoreMessage.HeaderLength,
                ["message.id"] = 4,
                ["message.tx"] = 8,
                ["message.len"] = 12,
                ["payload"] = StoreMessage.MaxPayload,
                ["directory"] = (long)StoreOperation.Directory,
                ["read"] = (long)StoreOperation.Read,
                ["get_perms"] = (long)StoreOperation.GetPermissions,
                ["watch"] = (long)StoreOperation.Watch,
                ["write"] = (long)StoreOperation.Write,
                ["mkdir"] = (long)StoreOperation.MakeNode,
                ["rm"] = (long)StoreOperation.Remove,
                ["set_perms"] = (long)StoreOperation.SetPermissions,
                ["watch_event"] = (long)StoreOperation.WatchEvent,
                ["error"] = (long)StoreOperation.Error,
                ["introduced"] = (long)StoreOperation.IsDomainIntroduced,
            },
            Run(Program));
        Assert.Equal(
            new Dictionary<string, long>
            {
                ["map"] = XenIoctl.GntdevMapGrantRef,
                ["unmap"] = XenIoctl.SetUnmapNotify,
                ["map.index"] = At<GntdevMapHeader>(nameof(GntdevMapHeader.Index)),
                ["map.refs"] = Marshal.SizeOf<GntdevMapHeader>(),
                ["ref.size"] = Marshal.SizeOf<GntdevGrantRef>(),
                ["ref.ref"] = At<GntdevGrantRef>(nameof(GntdevGrantRef.Reference)),
                ["unmap.size"] = Marshal.SizeOf<UnmapNotify>(),
                ["unmap.action"] = At<UnmapNotify>(nameof(UnmapNotify.Action)),
                ["unmap.port"] = At<UnmapNotify>(nameof(UnmapNotify.EventPort)),
                ["action"] = XenIoctl.ClearByteAndSendEvent,
            },
            Run(MapProgram));
    }

    private static long At<T>(string field) => Marshal.OffsetOf<T>(field);

    private static Dictionary<string, long> Run(string source)
    {
        using var directory = new TestDirectory();
        File.WriteAllText(directory["show.c"], source);
        Execute("gcc", "-Wall", "-o", directory["show"], directory["show.c"]);
        return Execute(directory["show"]).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('=')).ToDictionary(parts => parts[0], parts => long.Parse(parts[1]));
    }

    private static string Execute(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var result = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {errors.Result}");
        return result;
    }
}
