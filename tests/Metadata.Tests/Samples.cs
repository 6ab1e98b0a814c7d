using System.Text;
using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Tests;

/// <summary>The documents that the tests begin with.</summary>
internal static class Samples
{
    /// <summary>Of an instance: 253 characters.</summary>
    public static readonly string LongestName = string.Join('.', Enumerable.Repeat(new string('a', 62), 4)) + ".a";

    public const string Full = """
        # everything that a document can have
        instance_id: i-0123456789abcdef0
        uuid: 7a1c3f0e-1111-4222-8333-444455556666
        hostname: vm1.example.org
        public_keys:
          lab-key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILab me@lab
          "other": 'ssh-rsa AAAAB3NzaC1yc2E= you@lab'
        user_data: |
          #!/bin/sh
          echo "hello"   # not a comment of YAML

          exit 0
        vendor_data: "#cloud-config\n{}\n"
        placement: {availability_zone: eu-west-1a, region: eu-west-1, instance_type: t3.micro, image_id: ami-12345678, project_id: "123456789012"}
        network:
          interfaces:
          - name: eth0
            mac: 52:54:00:12:34:56
            addresses: [192.0.2.5/24, "2001:db8::5/64"]
            gateway: 192.0.2.1
            gateway6: 2001:db8::1
            mtu: 1400
          - name: eth1
            mac: 52:54:00:12:34:57
            dhcp: true
          dns: [192.0.2.53]
          search:
            - example.org
        ec2:
          tokens: optional
          meta_data:
            iam:
              security-credentials:
                lab-role: '{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKIALAB","SecretAccessKey":"s3cr3t","Token":"tok","Expiration":"2099-01-01T00:00:00Z","LastUpdated":"2024-01-01T00:00:00Z"}'
            security-groups: default
        files:
          - {path: /etc/motd, content: "welcome\n"}
          - path: /etc/raw
            content: {base64: /wD+}
        random_seed: c2VlZA==
        meta:
          role: web
        os:
          name: debootstrap
          parameters:
            arch: {value: amd64, class: public}
            license: {value: L-PRIVATE-1, class: private}
            root_password: {value: hunter2-secret, class: secret}
          scripts:
            create: |
              #!/bin/sh
              exit 0
        """;

    public const string Small = "instance_id: i-1\nhostname: vm1\n";

    public static InstanceMetadata Parse(string text) => InstanceMetadata.Parse(Encoding.UTF8.GetBytes(text));

    public static ChannelException Refusal(string text) => Assert.Throws<ChannelException>(() => RenderCheck.Checked(Parse(text)));
}
